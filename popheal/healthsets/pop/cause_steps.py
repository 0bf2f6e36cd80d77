"""What makes causes well, for more than one row of the table of causes."""

from __future__ import annotations

from typing import Final

CERTIFICATES: Final = (
    "Compare the certificate that POP uses with its names: Get-ExchangeCertificate (Services, "
    "NotAfter), Get-PopSettings (X509CertificateName). Mend it with Enable-ExchangeCertificate or "
    "Set-PopSettings, then restart POP3."
)
ACCOUNTS: Final = (
    "Look at the health mailboxes and their accounts: Get-Mailbox -Monitoring; container "
    "Microsoft Exchange System Objects\\Monitoring Mailboxes. The Health Manager (MSExchangeHM) "
    "sets their passwords, and makes missing ones when it starts."
)
PROXY_STATE: Final = (
    "Get-ServerComponentState -Component PopProxy, and its LocalStates for who set it: while it "
    "is Inactive, the service stops or refuses by design."
)
