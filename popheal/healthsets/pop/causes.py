"""Causes that the message details name (Verifying 2.1), and what may still be done about each.

Words forbid, they never permit: a cause found here takes steps away from a procedure. Words
that are not in the table change nothing. The table itself is below: :data:`CAUSES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from popheal.healthsets.pop import cause_sources as seen
from popheal.healthsets.pop.cause import Cause, Helps, gravest_named
from popheal.healthsets.pop.cause_steps import ACCOUNTS, CERTIFICATES, PROXY_STATE

__all__ = ["CAUSES", "Cause", "Helps", "find_cause", "name_cause"]


def name_cause(texts: Iterable[str], causes: Iterable[Cause] | None = None) -> Cause | None:
    """The gravest cause of the table that one of the texts names; by default of :data:`CAUSES`."""
    return gravest_named(texts, CAUSES if causes is None else causes)


def find_cause(texts: Iterable[str], causes: Iterable[Cause] | None = None) -> Cause | None:
    """Likewise, but only a cause that neither a restart nor a reboot cures."""
    cause = name_cause(texts, causes)
    return cause if cause and cause.helps is Helps.NOTHING else None


# --- the table -----------------------------------------------------------------------------------
#
# Where a Windows code is matched, its name and its number are: the sentence is in the server's
# language. Numbers that could be something else (a port, a count) are matched only beside words
# of .NET or Windows that say what they are.

#: The name of the cause that a deep test without an active database has.
NOTHING_TO_TEST: Final = "Nothing to test"

#: What is known, in the order of how much it forbids. Each row was seen in public (``source``), or
#: is a code that its maker documents.
CAUSES: Final[tuple[Cause, ...]] = (
    # --- the account that the probe logs on with -------------------------------------------------
    Cause(
        name="The probe's own account was refused",
        pattern=r"AuthFailed:LogonDenied"
        r"|HealthMailbox.{0,400}unknown user name or bad password"
        r"|unknown user name or bad password.{0,400}HealthMailbox"
        r"|HealthMailbox.{0,400}password is incorrect|password is incorrect.{0,400}HealthMailbox"
        r"|0xC000006D|0xC000006A|0x8007052E|ERROR_LOGON_FAILURE",
        says="the logon of the monitoring mailbox was denied, so the probe fails where POP is well",
        next_step=ACCOUNTS,
        source=seen.DENIED,
    ),
    Cause(
        name="The account is locked out",
        pattern=r"0xC0000234|0x80070775|ERROR_ACCOUNT_LOCKED_OUT|\bAccountLocked(Out)?\b"
        r"|\baccount is currently locked out\b",
        says="the directory has locked the account that logs on",
        next_step="Find out who locks it (event 4740 on the domain controllers). " + ACCOUNTS,
        source=seen.NTSTATUS,
    ),
    Cause(
        name="The account or its password has expired",
        pattern=r"0xC0000071|0xC0000224|0xC0000193|0x80070532|0x80070773|ERROR_PASSWORD_EXPIRED"
        r"|ERROR_PASSWORD_MUST_CHANGE|ERROR_ACCOUNT_EXPIRED|\bPasswordExpired\b|\bAccountExpired\b"
        r"|\bpassword must be changed before\b|\bpassword (for this account )?has expired\b",
        says="the account that logs on has expired, or its password has",
        next_step="Take monitoring accounts out of policies about passwords. " + ACCOUNTS,
        source=seen.NTSTATUS,
    ),
    Cause(
        name="The account is disabled or restricted",
        pattern=r"0xC0000072|0xC000006E|0x80070533|ERROR_ACCOUNT_DISABLED"
        r"|ERROR_ACCOUNT_RESTRICTION|\bAccountDisabled(Exception)?\b|\bMapiExceptionMailboxDisabled\b|0xC000015B|0x80070569"
        r"|ERROR_LOGON_TYPE_NOT_GRANTED|not been granted the requested logon type",
        says="the account that logs on is disabled, or may not log on here",
        next_step=ACCOUNTS,
        source=seen.NTSTATUS,
    ),
    Cause(
        name="A monitoring mailbox is missing",
        pattern=r"monitoring mailbox.{0,200}not found|\bADNoSuchObjectException\b"
        r"|\bCommonAccessTokenHelper\b|MonitoringMailboxNotFound|\bno monitoring mailbox"
        r"|\bMapiExceptionUnknownUser\b|\bUserHasNoMailboxException\b",
        says="the mailbox that the probe logs on to is not there, or under another address",
        next_step=ACCOUNTS,
        source=seen.SCOM,
    ),
    Cause(
        name="Monitoring mailboxes are being deleted",
        pattern=r"\bMonitoringMailboxCleaner\b|\bCreateMonitoringMailbox\b",
        says="monitoring mailboxes were deleted, or could not be made",
        next_step="Server names that begin alike and have a hyphen delete each other's. "
        + ACCOUNTS,
        source=seen.MAILBOXES,
    ),
    Cause(
        name="POP is disabled for the mailbox",
        pattern=r"\bPop3?Disabled\b|\bProtocolDisabled\b|\bPopEnabled\W{1,5}\$?false",
        says="the mailbox may not be read by POP3",
        next_step="Get-CASMailbox shows PopEnabled; Set-CASMailbox -PopEnabled $true allows it.",
        source="learn.microsoft.com/exchange/clients/pop3-and-imap4/configure-mailbox-access",
    ),
    # --- certificates and TLS --------------------------------------------------------------------
    Cause(
        name="The front end could not prove itself to the back end",
        pattern=r"\bProxyNotAuthenticated\b",
        says="the back end did not accept the front end's connection (ProxyNotAuthenticated), "
        "which is nearly always a certificate that has expired or does not fit its name",
        next_step=CERTIFICATES,
        source=f"{seen.LOG_LINES}; {seen.BOUND}",
    ),
    Cause(
        name="A certificate is not accepted",
        pattern=r"remote certificate|\bRemoteCertificate(NameMismatch|ChainErrors|NotAvailable)\b"
        r"|\bSEC_E_(UNTRUSTED_ROOT|CERT_EXPIRED|WRONG_PRINCIPAL|CERT_UNKNOWN)\b"
        r"|\bCERT_E_[A-Z]+|0x800B010[19AF]|0x8009032[2578]"
        r"|certificate chain was issued by an authority that is not trusted"
        r"|\bcertificate\b.{0,40}\bexpired\b|\b(TrustFailure|SecureChannelFailure)\b"
        r"|Could not (establish trust relationship|create SSL/TLS secure channel)"
        r"|\bCRYPT_E_(REVOKED|REVOCATION_OFFLINE|NO_REVOCATION_CHECK)\b|0x8009201[0-3]",
        says="the certificate has expired, does not fit its name, or is not trusted",
        next_step=CERTIFICATES,
        source=f"{seen.SSPI}; {seen.BOUND}",
    ),
    Cause(
        name="TLS could not be agreed on",
        pattern=r"\bSystem\.Security\.Authentication\.AuthenticationException\b"
        r"|\bSEC_E_(ALGORITHM_MISMATCH|ILLEGAL_MESSAGE|UNSUPPORTED_FUNCTION)\b"
        r"|0x80090331|0x80090326|0x80090302|\bnone of the cipher suites supported by"
        r"|\bdo not possess a common algorithm\b",
        says="the two sides have no TLS version or cipher in common, or one has no certificate",
        next_step="Compare the TLS settings of the servers (CSS-Exchange HealthChecker). "
        + CERTIFICATES,
        source=f"{seen.SSPI}; learn.microsoft.com/dotnet: AuthenticationException",
    ),
    Cause(
        name="POP has no usable certificate",
        pattern=r"\bX509CertificateName\b|\bSEC_E_NO_CREDENTIALS\b|0x8009030E"
        r"|\bSchannel\b.{0,200}\b368(71|88|74|70)\b|\b368(71|88|74|70)\b.{0,200}\bSchannel\b",
        says="no certificate on the server fits the name that POP is configured with",
        next_step=CERTIFICATES,
        source="frankysweb.de: Schannel 36888/36871 after renewing the backend certificate",
    ),
    # --- limits ----------------------------------------------------------------------------------
    Cause(
        name="A connection limit is reached",
        pattern=r"\b(User|Server|Ip|IPAddress)?ConnectionLimit(Reached|Exceeded)\b"
        r"|\bMaxConnections(PerUser|FromSingleIP)?\b",
        says="POP refuses further connections, as it is set to; it is not ill",
        next_step="Find the client that opens so many (the POP3 protocol log); or raise the limit: "
        "Set-PopSettings -MaxConnectionsPerUser, and restart both POP3 services.",
        source=seen.LIMIT,
    ),
    Cause(
        name="A limit of the store is reached",
        pattern=r"\b(MapiException)?SessionLimit\b|\bMapiExceptionMaxObjsExceeded\b"
        r"|\bTooManyObjectsOpened(Exception)?\b|exceeded the maximum of \d+ objects",
        says="the store opens no further session or object for the account; POP's own limits are "
        "others, and raising them does not help",
        next_step="Event 9646 (MSExchangeIS) names the account and the limit. Find what opens so "
        "many; or raise that limit of the store, and restart MSExchangeIS.",
        source=seen.STORE_LIMIT,
    ),
    Cause(
        name="The account is being throttled",
        pattern=r"\bOverBudgetException\b|\bUserThrottl|\bBudgetExceeded\b|\bThrottlingPolicy\b",
        says="the account has used up what its throttling policy allows",
        next_step="Get-ThrottlingPolicy (PopMaxConcurrency and the like) of that account.",
        source=seen.LIMIT,
    ),
    # --- the mailbox, its database, the directory ------------------------------------------------
    Cause(
        name="The mailbox is quarantined",
        pattern=r"\b(MapiException)?MailboxQuarantined\b",
        says="the store has quarantined the mailbox for a time",
        next_step="Get-MailboxStatistics shows IsQuarantined; look for what crashed the store.",
        source="cengizyilmaz.net: MapiExceptionMailboxQuarantined while logon into the mailbox",
    ),
    Cause(
        name="The database is not mounted",
        pattern=r"\bMapiExceptionMdbOffline\b|\bMailboxOfflineException\b|\bMdbOffline\b",
        says="the database of that mailbox is dismounted, or moving just now",
        next_step="Get-MailboxDatabaseCopyStatus *; mount the database, or wait for the move.",
        source="learn.microsoft.com: Mount-Database; names of MAPI and storage exceptions",
    ),
    Cause(
        name="The mailbox is elsewhere",
        pattern=r"\b(MapiException)?WrongServer(Exception)?\b|\bMailboxInTransit(Exception)?\b"
        r"|\bMailboxCrossSiteFailoverException\b",
        says="the mailbox has moved or is being moved, and the directory has not told everybody",
        next_step="Wait for the directory to replicate (repadmin /replsummary), then look again.",
        source="learn.microsoft.com/troubleshoot/exchange/client-connectivity/"
        "cannot-open-shared-folder-owa (WrongServerException)",
    ),
    Cause(
        name="The directory can't be used",
        pattern=r"\bADTransientException\b|\bNoSuitableServer|\bSuitabilityDirectoryException\b"
        r"|\bDomainControllerNotFound|\bLdapException\b|\bADServerSettings(Changed)?Exception\b"
        r"|\bLDAP server is unavailable\b|\bany available domain controller\b"
        r"|\bActive Directory server .{1,80} is not available\b|Suitable Directory Servers Found",
        says="no domain controller answers Exchange as it needs",
        next_step="Look at the health set AD, and at event 2080 (MSExchangeADTopology).",
        source="learn.microsoft.com/troubleshoot/exchange: suitable directory servers, event 2080",
    ),
    Cause(
        name="Windows can't authenticate",
        pattern=r"\bSEC_E_NO_AUTHENTICATING_AUTHORITY\b|0x80090311|0x800706F[CD]|0xC000005E"
        r"|\bERROR_TRUST(ED_RELATIONSHIP|ED_DOMAIN)_FAILURE\b|\bERROR_NO_LOGON_SERVERS\b"
        r"|\btrust relationship between\b.{0,80}\bfailed\b"
        r"|KRB_AP_ERR_MODIFIED\b|\bKDC_ERR_[A-Z_]+",
        says="the server reaches no domain controller to log on with, or has lost its trust",
        next_step="Test-ComputerSecureChannel on the server; name service and time of the domain.",
        source=f"{seen.SSPI}; {seen.SYSTEM}",
    ),
    Cause(
        name="Clocks differ too much",
        pattern=r"\bSEC_E_TIME_SKEW\b|0x80090324|KRB_AP_ERR_SKEW\b|0xC0000133",
        says="Kerberos refuses, as the clocks are more than five minutes apart",
        next_step="w32tm /query /status on the server and on its domain controller.",
        source=seen.SSPI,
    ),
    # --- the network -----------------------------------------------------------------------------
    Cause(
        name="A name does not resolve",
        pattern=r"\bHostNotFound\b|\bWSAHOST_NOT_FOUND\b|0x80072AF9"
        r"|\bSocket(Error)?Exception.{0,80}\b1100[1-4]\b|\bErrorCode\W{1,5}1100[1-4]\b"
        r"|\bNameResolutionFailure\b|\bNo such host is known\b"
        r"|\bDNS didn't return any information\b|\bno data of the requested type was found\b"
        r"|\bWSANO_DATA\b|\bDNS_ERROR_RCODE_NAME_ERROR\b|\bDNS name does not exist\b",
        says="the name service does not know a name that is connected to",
        next_step="Resolve-DnsName on the server, for the name in the message; if it is the "
        "server's own, look whether its network adapter registers its addresses.",
        source=f"{seen.WINSOCK}; learn.microsoft.com/exchange/troubleshoot/administration/"
        "exchange-restarts-frequently-stop-error",
    ),
    Cause(
        name="No way to the other server",
        pattern=r"\b(Network|Host)(Unreachable|Down)\b|\bWSAE(NET|HOST)(UNREACH|DOWN)\b"
        r"|\bSocket(Error)?Exception.{0,80}\b100(50|51|64|65)\b"
        r"|\bto an unreachable (network|host)\b",
        says="the network does not lead to the server that is connected to",
        next_step="Test-NetConnection from the server; route, firewall, the other server's state.",
        source=seen.WINSOCK,
    ),
    Cause(
        name="Something else has the port",
        pattern=r"\bAddressAlreadyInUse\b|\bWSAEADDRINUSE\b|\bSocket(Error)?Exception.{0,80}\b10048\b"
        r"|\bOnly one usage of each socket address\b|\baddress already in use\b",
        says="another program listens on the port that POP3 is configured with",
        next_step="netstat -abno on the server; Get-PopSettings shows the bindings.",
        source=seen.WINSOCK,
    ),
    Cause(
        name="POP is bound to an address that is not there",
        pattern=r"\bAddressNotAvailable\b|\bWSAEADDRNOTAVAIL\b|\bSocket(Error)?Exception.{0,80}\b10049\b",
        says="the bindings name an address that the server does not have",
        next_step="Get-PopSettings shows the bindings; the probe needs 0.0.0.0, [::] or 127.0.0.1.",
        source=f"{seen.WINSOCK}; {seen.TROUBLESHOOTER}",
    ),
    Cause(
        name="POP was taken offline",
        pattern=r"Server response while making\s+connection:\s*\[\s*\]",
        says="the server closed the connection without a word, as it does while PopProxy is "
        "Inactive; here, or at the server behind",
        next_step=PROXY_STATE,
        source=seen.POP_PROXY,
    ),
    # --- the installation ------------------------------------------------------------------------
    Cause(
        name="A disk is full",
        pattern=r"0x80070070|\bERROR_(HANDLE_)?DISK_FULL\b|not enough space on the disk"
        r"|\bJET_err(Log)?DiskFull\b|JetError(Log)?DiskFull\b",
        says="a disk of the server is full",
        next_step="Free room; protocol logs have no age limit (Get-PopSettings, LogFileLocation).",
        source="github.com/cunninghamp/ExchangeAnalyzer: issue 82 (POP and IMAP logs)",
    ),
    Cause(
        name="A file of the installation is missing or damaged",
        pattern=r"\bFile(NotFound|Load)Exception\b|\b(BadImageFormat|TypeLoad)Exception\b"
        r"|\bConfigurationErrorsException\b|\bXmlException\b",
        says="the service can't load a file that it needs, so the installation is not whole",
        next_step="Compare Microsoft.Exchange.Pop3.exe.config with another server's; run Setup of "
        "the latest update again.",
        source=seen.TWENTY_ONE,
    ),
    Cause(
        name="The probe fails by design",
        pattern=r"\bFailed by design\b",
        says="this probe only shows that failures are seen",
        next_step="Nothing is wrong with POP; look at why the monitor raises an alert.",
        source=seen.TROUBLESHOOTER,
    ),
    # --- a restart of the service may help, a reboot does not ------------------------------------
    Cause(
        name="Nobody listens on the port",
        pattern=r"\bConnectionRefused\b|\bWSAECONNREFUSED\b|\bactively refused\b"
        r"|\bSocket(Error)?Exception.{0,80}\b10061\b|\bErrorCode\W{1,5}10061\b",
        says="the connection was refused: the POP3 service there does not run, or not on that port",
        next_step="Get-Service MSExchangePOP3*, on the server that refused; Get-PopSettings shows "
        "ports and bindings; PopProxy's state says whether it stops by design.",
        helps=Helps.SERVICE_RESTART,
        source=seen.WINSOCK,
    ),
    Cause(
        name="POP3 crashes",
        pattern=r"\bWatson report\b.{0,400}\b(Exchange\.Pop3|MSExchangePOP3)",
        says="the POP3 service crashed and reported it, which it does again at what it crashed at: "
        "often one mailbox that it can't read",
        next_step="The report names the exception: look for an update that mends it. The POP3 "
        "protocol log shows who logged on right before.",
        helps=Helps.SERVICE_RESTART,
        source=seen.CRASH,
    ),
    # --- words with several causes: where to look next -------------------------------------------
    Cause(
        name="Managed Availability has taken POP offline",
        pattern=r"\bPopProxyTestCafeOffline\b|\bPopProxy\b.{0,80}\bInactive\b",
        says="the responder that takes POP offline has acted, or wanted to",
        next_step=PROXY_STATE,
        helps=Helps.UNDECIDED,
        source=seen.TROUBLESHOOTER,
    ),
    Cause(
        name="The service stopped",
        pattern=r"terminated unexpectedly|started and then stopped|\bSCM\b.{0,80}\b703[14]\b",
        says="it sounds like a crash, and need not be one: with PopProxy Inactive the service "
        "stops by design",
        next_step=PROXY_STATE + " Only then look for a crash in the Application log.",
        helps=Helps.UNDECIDED,
        source=f"{seen.COMPONENTS}; github.com/MicrosoftDocs/OfficeDocs-Support: issue 1654",
    ),
    Cause(
        name="Server Unavailable. 21",
        pattern=r"Server Unavailable\. ?2\d",
        says="this says nothing by itself",
        next_step="Turn the POP3 protocol log on and read what stands behind Excpt= in that line.",
        helps=Helps.UNDECIDED,
        source=seen.TWENTY_ONE,
    ),
    Cause(
        name="Authentication failed",
        pattern=r"\bAuthentication failed\b",
        says="a wrong password, or a component taken offline: an empty server answer is the latter",
        next_step=PROXY_STATE,
        helps=Helps.UNDECIDED,
        source=seen.POP_PROXY,
    ),
    Cause(
        name="The connection was closed by the other side",
        pattern=r"\bConnectionReset\b|\bWSAECONNRESET\b|forcibly closed"
        r"|\bSocket(Error)?Exception.{0,80}\b10054\b",
        says="the other side broke off: it hangs, stops, or is offline",
        next_step=PROXY_STATE,
        helps=Helps.UNDECIDED,
        source=f"{seen.WINSOCK}; {seen.POP_PROXY}",
    ),
    Cause(
        name="The other side did not answer",
        pattern=r"\bWSAETIMEDOUT\b|\bSocket(Error)?Exception.{0,80}\b10060\b|\bTimeoutException\b",
        says="no answer in time: a hang, or a firewall that drops",
        next_step="Test-NetConnection to the port; if it opens, the service hangs.",
        helps=Helps.UNDECIDED,
        source=seen.WINSOCK,
    ),
    Cause(
        name="The front end could not pass the logon on",
        pattern=r"\bProxyFailed\b",
        says="the server named behind Proxy= did not serve the logon",
        next_step="Look at that server: Get-ServerHealth, and its service MSExchangePOP3BE.",
        helps=Helps.UNDECIDED,
        source="learn.microsoft.com/exchange/management/health/troubleshooting-pop-health-set",
    ),
    Cause(
        name="The logon failed",
        pattern=r"\b(LOGIN|AUTHENTICATE|Logon) (failed|failure)\b",
        says="a wrong password and a wrong certificate are told in the same words",
        next_step="ErrMsg= in the protocol log decides: AuthFailed:LogonDenied is the account, "
        "ProxyNotAuthenticated a certificate.",
        helps=Helps.UNDECIDED,
        source=f"{seen.LOG_LINES}; {seen.BOUND}",
    ),
    Cause(
        name="The command is not valid now",
        pattern=r"Command is not valid in this state",
        says="the command came before TLS where that is demanded, or after a failed logon",
        next_step="Get-PopSettings shows LoginType: SecureLogin refuses a logon without TLS.",
        helps=Helps.UNDECIDED,
        source="learn.microsoft.com: Set-PopSettings, LoginType",
    ),
    Cause(
        name=NOTHING_TO_TEST,
        # Not in the report of a crash: there the same exception is some other program's.
        pattern=r"\A(?!.*\bWatson report\b)"
        r".*(\bIndex was out of range\b|\bArgumentOutOfRangeException\b)",
        says="the test may have found no active database on the server to test with",
        next_step="Get-MailboxDatabaseCopyStatus -Server: is any database active there?",
        helps=Helps.UNDECIDED,
        source="learn.microsoft.com/exchange/management/health/"
        "troubleshooting-owa-protocol-health-set (tests each database by its copy here)",
    ),
    Cause(
        name="The store did not answer for a moment",
        pattern=r"\bStorageTransientException\b|\bMapiExceptionNetworkError\b"
        r"|\bConnectionFailedTransientException\b",
        says="the store could not be reached just then",
        next_step="Look at the health set Store, and whether the database is mounted.",
        helps=Helps.UNDECIDED,
        source="learn.microsoft.com/troubleshoot/exchange/mailflow/"
        "failed-to-process-message-due-to-transient-exception",
    ),
)
