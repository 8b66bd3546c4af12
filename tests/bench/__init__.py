"""How fast this machine trains, beside a plain trainer."""
