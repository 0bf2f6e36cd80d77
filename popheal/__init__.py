"""popheal heals the POP health set of Microsoft Exchange Server."""
