"""Tools that compare versions of popheal, rather than test one."""
