"""Where causes were seen in public, for more than one row of the table of causes."""

from __future__ import annotations

from typing import Final

WINSOCK: Final = "learn.microsoft.com: Windows Sockets Error Codes"
SYSTEM: Final = "learn.microsoft.com: System Error Codes"
NTSTATUS: Final = "learn.microsoft.com: NTSTATUS Values; event 4625 of Windows"
SSPI: Final = "learn.microsoft.com: Schannel Error Codes for TLS and SSL Alerts; SSPI status codes"
MAILBOXES: Final = (
    "learn.microsoft.com/troubleshoot/exchange/administration/"
    "unhealthy-state-monitoring-mailboxes-deleted"
)
SCOM: Final = (
    "learn.microsoft.com/troubleshoot/exchange/administration/scom-reports-unhealthy-health-sets"
)
POP_PROXY: Final = "support.microsoft.com: KB 3025138, Users cannot connect to POP3 or IMAP4"
BOUND: Final = "clintboessen.blogspot.com/2018/03/binding-certificate-breaks-imap-or-pop.html"
LOG_LINES: Final = "learn.microsoft.com/answers/questions/1156767 (a protocol log with the value)"
DENIED: Final = "learn.microsoft.com/answers/questions/112837 (a protocol log with the value)"
LIMIT: Final = "ezcloudinfo.com/2017/04/25/pop3-error-msguserconnectionlimitreached"
STORE_LIMIT: Final = (
    "technical-annoyances.blogspot.com/2017/04/exchange-2013-imap-session-limitations.html; "
    "learn.microsoft.com/exchange/troubleshoot/client-connectivity/"
    "cannot-connect-to-mailbox-via-owa (event 9646)"
)
CRASH: Final = "support.microsoft.com: KB 979431 (POP3 crashes while it reads a migrated mailbox)"
TWENTY_ONE: Final = "jaapwesselius.com/2012/03: POP3 Server Unavailable. 21"
TROUBLESHOOTER: Final = "github.com/microsoft/CSS-Exchange: ManagedAvailabilityTroubleshooter.ps1"
COMPONENTS: Final = "learn.microsoft.com: Set-ServerComponentState (note on PopProxy)"
