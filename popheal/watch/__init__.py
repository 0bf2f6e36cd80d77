"""Looking at servers by itself, and healing what turns unhealthy."""
