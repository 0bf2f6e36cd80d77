"""How each action is carried out: one handler an action, none of them does I/O by itself."""
