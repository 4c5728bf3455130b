/*
 * What culvert check says: the table, of ssh and sshd.
 */
#include "check/advice_priv.h"

/* Of sshd's refusals: the key's own line is known to be the cause, or not. */
#define FIX_KEY                                                     \
	{                                                           \
		{ KEY_LINE, "{key_line}",                           \
			"in place of the options that are there" }, \
	}

/* sshd answers a user who may not log in as one whose keys it does not know. */
#define SEE_LOG                                                             \
	{                                                                   \
		FAR_HOST, "journalctl -u ssh | grep 'not allowed because'", \
		    "a line with {user} shows that sshd does not let this " \
		    "user in"                                               \
	}
#define ALLOW_USER                                                              \
	{                                                                       \
		SSHD_CONFIG, "AllowUsers {user}",                               \
		    "add {user} to that line, or its group to AllowGroups, if " \
		    "there is one; and remove it from DenyUsers and "           \
		    "DenyGroups"                                                \
	}

/* Of an account that a session says has expired; and if that was not sshd's
 * sentence but somebody's. */
#define NEW_PASSWORD                                                         \
	{ THIS_HOST, "{ssh_command} -t",                                     \
		"in a terminal: it asks for a new password" },               \
	    { FAR_HOST, "passwd {'user}", "as root" },                       \
	    { FAR_HOST, "usermod -e '' {'user}",                             \
		    "as root, if it is the account that has expired" },      \
	{                                                                    \
		FAR_HOST,                                                    \
		    "sshd -T -C user={'user},host=localhost,addr=127.0.0.1 " \
		    "| grep -iE 'forwarding|permit(open|listen)'",           \
		    "as root, if nothing has expired: the settings of sshd " \
		    "that can forbid it as well"                             \
	}

static const struct row rows[GREETING_OK] = {
	NOTE(NO_SUCH_TUNNEL, "tunnel",
	    "there is no [tunnel {destination}] in {config}, so it is taken "
	    "as a host; the most similar tunnel is {nearest}"),
	WRONG(CONFIG_SLOW, "ssh_config",
	    "ssh -G takes longer than 15 s: a command of Match exec, or the "
	    "name service, is slow",
	    {
		{ THIS_HOST, "time {ssh_command} -G",
		    "until that is fast; shorten the command of Match exec" },
	    }),
	OK(NAME_OK, "name", "{host} is {addresses}"),
	OK(NAME_ADDRESS, "name", "{host}, an address"),
	SKIPPED(NAME_PROXY, "name",
	    "not looked up here: ssh connects through {proxy}"),
	WRONG(NAME_UNKNOWN, "name", "{host} is not known: {why}",
	    {
		{ SSH_CONFIG, "HostName ADDRESS", "under Host {destination}" },
		{ THIS_HOST, "culvert check [user@]HOST", "the right name" },
	    },
	    .change = { SUGGEST_DESTINATION, .value = "HOST" }),
	WRONG(NAME_NO_TUNNEL, "name",
	    "{host} is not known: {why}; and there is no [tunnel "
	    "{destination}] in {config}",
	    {
		{ THIS_HOST, "culvert check {nearest}",
		    "the most similar tunnel there" },
		{ SSH_CONFIG, "HostName ADDRESS", "under Host {destination}" },
	    },
	    .change = { .part = SUGGEST_TUNNEL }),
	OK(TCP_OK, "TCP", "{address} in {tcp_ms} ms: {sshd}"),
	SKIPPED(TCP_PROXY, "TCP", "not tried: ssh connects through {proxy}"),
	WRONG(TCP_REFUSED, "TCP", "nobody listens at {address}: {why}",
	    {
		{ SSH_CONFIG, "Port PORT",
		    "the port that sshd listens on; or -p PORT" },
		{ SSHD_CONFIG, "Port {port}", "and start sshd" },
	    },
	    .change = { SUGGEST_GIVEN, .name = "p", .value = "PORT" }),
	WRONG(TCP_SILENT, "TCP",
	    "{address} does not answer within {connect_s} s: a packet filter drops the "
	    "connection, or the address is wrong",
	    {
		{ FAR_HOST,
		    "nft insert rule inet filter input tcp dport {port} accept",
		    "lets connections to sshd in; or the same in another "
		    "packet filter" },
		{ SSH_CONFIG, "HostName ADDRESS",
		    "the right one; and Port PORT" },
	    }),
	WRONG(TCP_FAILED, "TCP", "{address} cannot be reached: {why}",
	    { { SSH_CONFIG, "HostName ADDRESS", "the right one" } }),
	WRONG(TCP_NO_WORD, "TCP",
	    "{address} accepts the connection, but says nothing, or closes it",
	    {
		{ SSHD_CONFIG, "MaxStartups 100:30:200",
		    "more logins at a time; and remove this host from "
		    "/etc/hosts.deny" },
		{ SSH_CONFIG, "Port PORT",
		    "if it is not sshd that listens there" },
	    }),
	WRONG(TCP_FULL, "TCP", "sshd accepts no more connections now: {why}",
	    {
		{ SSHD_CONFIG, "MaxStartups 100:30:200",
		    "more logins at a time" },
		{ SSHD_CONFIG, "PerSourcePenalties no",
		    "of OpenSSH 9.8 or newer, which keeps addresses out for a "
		    "while after failed logins" },
	    }),
	WRONG(TCP_NOT_SSH, "TCP", "{address} is no SSH server; it says {why}",
	    { { SSH_CONFIG, "Port PORT",
		"the port that sshd listens on; or -p PORT" } },
	    .change = { SUGGEST_GIVEN, .name = "p", .value = "PORT" }),

	OK(HOST_KEY_OK, "host key", "{host_key}, as in {host_key_place}"),
	OK(HOST_KEY_TAKEN, "host key", "{host_key}, which ssh takes"),
	NOTE(HOST_KEY_IGNORED, "host key",
	    "{host_key} is not the one of {host_key_place}, and ssh takes it "
	    "all the same: somebody may intercept the connection",
	    {
		{ SSH_CONFIG, "StrictHostKeyChecking yes", NULL },
		{ THIS_HOST, "ssh-keygen -f {'known_hosts} -R {'host_key_name}",
		    "only if the administrator of {host} confirms the new one" },
	    }),
	WRONG(HOST_KEY_REVOKED, "host key",
	    "{host_key} is revoked: known_hosts has it as @revoked",
	    {
		{ FAR_HOST, "",
		    "make a new host key (ssh-keygen -A makes those that are "
		    "missing), since others may have this one" },
	    }),
	WRONG(HOST_KEY_CHANGED, "host key",
	    "it is not the one of {host_key_place}, but {host_key}: the host "
	    "was installed again, or somebody intercepts the connection",
	    {
		{ THIS_HOST, "ssh-keygen -f {'known_hosts} -R {'host_key_name}",
		    "only if the administrator of {host} confirms the new one" },
	    }),
	WRONG(HOST_KEY_UNKNOWN, "host key",
	    "{host_key} is not known, and nobody has confirmed it",
	    {
		{ THIS_HOST,
		    "{ssh_command} -oStrictHostKeyChecking=accept-new true",
		    "if the administrator of {host} confirms that key" },
	    }),
	WRONG(HOST_KEY_NONE_COMMON, "host key",
	    "ssh accepts none of the types that sshd has: {offer}",
	    { { SSH_CONFIG, "HostKeyAlgorithms +{offer}", NULL } }),
	OK(LOGIN_OK, "authentication", "{user}, by {method}"),
	WRONG(LOGIN_DENIED, "authentication",
	    "sshd lets {user} in by none of these keys: {keys}; {ssh_why}. "
	    "Either it does not know them, or it does not let this user in at "
	    "all; it tells ssh no difference",
	    {
		{ AUTHORIZED_KEYS, "{key_line} KEY",
		    "a line with your public key (ssh-keygen makes one); or "
		    "-i FILE with the private key of one that is there" },
		{ FAR_HOST,
		    "chmod go-w ~{user} ~{user}/.ssh "
		    "~{user}/.ssh/authorized_keys",
		    "sshd ignores the file when others may write to it" },
		SEE_LOG,
		ALLOW_USER,
		{ FAR_HOST, "usermod -U -e '' {'user}",
		    "where the log says that the account is locked, or has "
		    "expired" },
	    }),
	WRONG(LOGIN_PASSWORD_ONLY, "authentication",
	    "sshd lets {user} in by none of these keys: {keys}; it would "
	    "take {methods}, but nobody can be asked",
	    {
		{ AUTHORIZED_KEYS, "{key_line} KEY",
		    "a line with your public key (ssh-keygen makes one)" },
		{ HERE, "the same in a terminal, without --batch", NULL },
		SEE_LOG,
		ALLOW_USER,
	    }),
	WRONG(LOGIN_PASSWORD_WRONG, "authentication",
	    "sshd does not let {user} in with that password: {ssh_why}. "
	    "Either it is wrong, or sshd does not let this user in at all; it "
	    "tells ssh no difference",
	    {
		{ HERE, "the right password", NULL },
		SEE_LOG,
		ALLOW_USER,
		{ SSHD_CONFIG, "PermitRootLogin yes",
		    "if {user} is root; a key, or another user, is safer" },
		{ AUTHORIZED_KEYS, "{key_line} KEY",
		    "a line with a public key, which is used instead of a "
		    "password" },
	    }),
	WRONG(LOGIN_CLOSED, "authentication",
	    "sshd closes the connection when {user} logs in: {why}",
	    {
		{ FAR_HOST, "usermod -e '' {'user}",
		    "if the account has expired; chage -l {'user} shows it" },
		{ FAR_HOST, "rm /etc/nologin", "if that is there" },
		{ FAR_HOST, "journalctl -u ssh | grep {'user}",
		    "shows the reason, where PAM refuses the account "
		    "(/etc/security/access.conf, for example)" },
		{ SSHD_CONFIG, "LoginGraceTime 120",
		    "more time, if nobody has answered the prompt in time" },
	    }),
	WRONG(LOGIN_NO_KEYS, "authentication",
	    "sshd takes no keys, only {methods}, and there is nobody to ask "
	    "for a password",
	    {
		{ SSHD_CONFIG, "PubkeyAuthentication yes", IN_PLACE },
		{ HERE, "the same in a terminal, without --batch", NULL },
	    }),
	WRONG(LOGIN_MORE, "authentication",
	    "sshd takes the key {accepted}, and wants {methods} as well: "
	    "{ssh_why}",
	    {
		{ SSHD_CONFIG, "AuthenticationMethods publickey", IN_PLACE },
		{ HERE, "the same in a terminal, without --batch", NULL },
	    }),
	WRONG(LOGIN_KEY_LOCKED, "authentication",
	    "sshd would take the key {accepted}, but ssh cannot use it: it "
	    "has a passphrase, or the agent refuses to sign with it",
	    {
		{ THIS_HOST, "ssh-add {'accepted}",
		    "a service needs a key without a passphrase" },
		{ HERE, "the same in a terminal, without --batch", NULL },
	    }),
	WRONG(LOGIN_REFUSED, "authentication",
	    "sshd knows the key {accepted}, but does not let {user} in: "
	    "{ssh_why}",
	    {
		{ SSHD_CONFIG, "PermitRootLogin prohibit-password",
		    "if {user} is root; another user is safer" },
		{ FAR_HOST, "usermod -e '' {'user}",
		    "if the account has expired" },
		{ FAR_HOST, "journalctl -u ssh | grep {'user}",
		    "shows why, if it is neither of them" },
	    }),
	WRONG(LOGIN_KEY_OLD, "authentication",
	    "sshd and ssh have no signature in common for these keys: {keys}",
	    {
		{ SSH_CONFIG, "PubkeyAcceptedAlgorithms +ssh-rsa",
		    "for an RSA key and an sshd older than OpenSSH 7.2" },
		{ THIS_HOST, "ssh-keygen -t ecdsa",
		    "makes another key, for authorized_keys" },
	    }),
	WRONG(LOGIN_TOO_MANY, "authentication",
	    "sshd gave up after these keys: {keys}; {ssh_why}",
	    {
		{ SSH_CONFIG, "IdentitiesOnly yes",
		    "and IdentityFile with the key that sshd knows" },
		{ SSHD_CONFIG, "MaxAuthTries 6", "or more, where it is lower" },
	    }),
	WRONG(LOGIN_KEY_OPEN, "authentication",
	    "ssh does not use {key_file}: others can read it",
	    { { THIS_HOST, "chmod 600 {'key_file}", NULL } }),
	WRONG(KEX_NONE_COMMON, "key exchange",
	    "ssh accepts none of those that sshd has: {offer}",
	    { { SSH_CONFIG, "KexAlgorithms +{offer}", NULL } }),
	WRONG(CIPHER_NONE_COMMON, "cipher",
	    "ssh accepts none of those that sshd has: {offer}",
	    { { SSH_CONFIG, "Ciphers +{offer}", NULL } }),
	WRONG(MAC_NONE_COMMON, "cipher",
	    "ssh accepts none of the MACs that sshd has: {offer}",
	    { { SSH_CONFIG, "MACs +{offer}", NULL } }),
	WRONG(PROXY_FAILED, "proxy",
	    "{proxy} does not get ssh to {host}:{port}: {ssh_why}",
	    {
		{ THIS_HOST, "ssh -v JUMP_HOST true",
		    "until that works; JUMP_HOST is that of ProxyJump. Or run "
		    "the command of ProxyCommand" },
	    }),
	WRONG(SSH_CONFIG_WRONG, "ssh", "{ssh_why}",
	    { { SSH_CONFIG, "", "correct the line that these words name" } }),
	WRONG(SSH_FAILED, "ssh", "it could not connect: {why}",
	    { { THIS_HOST, "{ssh_command} -v true", "shows more" } }),
	WRONG(SSH_LOST, "ssh", "the connection was lost: {why}"),
	WRONG(SSH_CANNOT_RUN, "ssh", "it cannot be run: {why}",
	    { { CULVERT, "--ssh PROGRAM",
		"the path of ssh; or install openssh-client" } },
	    .change = { SUGGEST_GIVEN, .name = "ssh", .value = "PROGRAM" }),
	OK(KEX_OK, "key exchange", "{kex}, which is post-quantum"),
	NOTE(KEX_OLD, "key exchange",
	    "{kex} is not post-quantum: who records this connection will be "
	    "able to read it with a quantum computer",
	    {
		{ SSHD_CONFIG,
		    "KexAlgorithms ^sntrup761x25519-sha512@openssh.com",
		    "OpenSSH 8.5 or newer" },
		{ SSH_CONFIG,
		    "KexAlgorithms ^sntrup761x25519-sha512@openssh.com", NULL },
	    }),
	OK(CIPHER_OK, "cipher", "{cipher}"),
	NOTE(CIPHER_OLD, "cipher",
	    "{cipher} is old: OpenSSH does not offer it any more by default",
	    {
		{ SSHD_CONFIG, "Ciphers ^aes256-gcm@openssh.com", NULL },
		{ SSH_CONFIG, "Ciphers ^aes256-gcm@openssh.com", NULL },
	    }),
	OK(NAGLE_NEVER, "Nagle", "{sshd} sends small packets at once"),
	OK(NAGLE_OK, "Nagle",
	    "sshd sends small packets at once, since a session has begun"),
	NOTE(NAGLE_LEFT_ON, "Nagle",
	    "--no-session: {sshd} delays small packets, often by 40 ms",
	    { { CULVERT, "", "leave out --no-session" } }),
	NOTE(NAGLE_NO_SESSION, "Nagle",
	    "sshd delays small packets, often by 40 ms, since it starts no "
	    "session: {why}",
	    {
		{ SSHD_CONFIG, "MaxSessions 10", NULL },
		{ FAR_HOST, "apt-get install openssh-server",
		    "OpenSSH 10.1, Debian 13's 10.0p1-7+deb13u3, and newer "
		    "ones never delay them" },
	    }),
	NOTE(NAGLE_NO_SFTP, "Nagle",
	    "sshd delays small packets, often by 40 ms, since it starts no "
	    "session: {why}",
	    {
		{ SSHD_CONFIG, "Subsystem sftp internal-sftp", NULL },
		{ FAR_HOST, "apt-get install openssh-server",
		    "OpenSSH 10.1, Debian 13's 10.0p1-7+deb13u3, and newer "
		    "ones never delay them" },
	    }),
	NOTE(NAGLE_UNKNOWN, "Nagle",
	    "it is not known whether sshd delays small packets: {why}"),

	OK(LISTEN_OK, "listen", "{listen} is free"),
	NOTE(LISTEN_OWN, "listen",
	    "{listen} is free, but culvert will accept only FTP clients that "
	    "run as {own_user}, as this check does",
	    { { CULVERT, "--any-user",
		"accepts FTP clients of all users of this host" } }),
	NOTE(LISTEN_TAKEN, "listen",
	    "{why}; that is as expected if culvert runs there already",
	    { { CULVERT, "{forward} with another port in front", NULL } }),
	WRONG(LISTEN_WRONG, "listen", "{why}",
	    { { CULVERT, "{forward} with another address or port in front",
		NULL } }),
	WRONG(LISTEN_ALLOW, "listen", "{why}",
	    { { CULVERT, "--allow NETWORK",
		"the network of the FTP clients" } },
	    .change = { SUGGEST_OPTION, .name = "allow", .value = "NETWORK" }),
	WRONG(LISTEN_ADDRESS, "listen", "{why}",
	    {
		{ CULVERT, "--client-address ADDRESS",
		    "the address of {host} that the FTP clients use" },
		{ CULVERT, "{forward} with that address in front", NULL },
	    },
	    .change = { SUGGEST_OPTION, .name = "client-address",
		.value = "ADDRESS" }),

	OK(CONNECT_OK, "connect", "{from} reaches {server}"),
	WRONG(CONNECT_EXPIRED, "connect",
	    "sshd lets {user} log in, but forwards nothing, not even to "
	    "{server}{session}",
	    {
		NEW_PASSWORD,
	    }),
	WRONG(CONNECT_FORBIDDEN_ALL, "connect",
	    "sshd forwards nothing at all, so not to {server}{session}",
	    {
		{ SSHD_CONFIG, "AllowTcpForwarding yes", IN_PLACE },
		{ SSHD_CONFIG, "DisableForwarding no", IN_PLACE },
	    }),
	WRONG(CONNECT_FORBIDDEN, "connect",
	    "sshd is not permitted to connect to {server}{session}",
	    {
		{ SSHD_CONFIG, "PermitOpen {server_host}:*", ADDED },
		{ SSHD_CONFIG, "AllowTcpForwarding yes", IN_PLACE },
	    }),
	WRONG(CONNECT_FORBIDDEN_KEY, "connect",
	    "this key may forward nothing, so not to {server}{session}",
	    FIX_KEY),
	WRONG(CONNECT_FORBIDDEN_KEY_OPEN, "connect",
	    "this key is not permitted to connect to {server}: its "
	    "permitopen",
	    FIX_KEY),
	WRONG(CONNECT_REFUSED, "connect",
	    "nobody listens at {server}, as {from} sees it: {why}",
	    {
		{ CULVERT, "{forward} with the FTP server's port at its end",
		    NULL },
		{ SERVER_HOST, "", "start the FTP server" },
	    },
	    .change = { SUGGEST_SERVER_PORT, .value = "PORT" }),
	WRONG(CONNECT_UNKNOWN, "connect",
	    "{from} does not know {server}: {why}",
	    {
		{ CULVERT,
		    "{forward} with the FTP server's address instead of its "
		    "name",
		    NULL },
	    },
	    .change = { SUGGEST_SERVER_HOST, .value = "ADDRESS" }),
	WRONG(CONNECT_FAILED, "connect",
	    "{from} does not reach {server}: {why}",
	    { { SERVER_HOST,
		"nft insert rule inet filter input tcp dport {server_port} "
		"accept",
		"lets connections to the FTP server in; or the same in another "
		"packet filter" } }),

	OK(FORWARD_OK, "remote forward", "sshd listens at {far_listen}"),
	SKIPPED(FORWARD_NEVER, "remote forward",
	    "--server-mode passive: sshd is never asked to listen"),
	WRONG(FORWARD_NOTHING, "remote forward",
	    "sshd forwards nothing at all: see connect"),
	WRONG(FORWARD_EXPIRED, "remote forward",
	    "sshd lets {user} log in, but does not listen{session}",
	    {
		NEW_PASSWORD,
	    }),
	WRONG(FORWARD_FORBIDDEN, "remote forward",
	    "sshd listens for nobody, so for no remote forward: "
	    "{not_forwarded}{session}",
	    {
		{ SSHD_CONFIG, "AllowTcpForwarding yes", IN_PLACE },
		{ SSHD_CONFIG, "DisableForwarding no", IN_PLACE },
	    }),
	WRONG(FORWARD_FORBIDDEN_LISTEN, "remote forward",
	    "sshd is not permitted to listen at {far_listen}",
	    { { SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED } }),
	WRONG(FORWARD_NOT_THERE, "remote forward",
	    "sshd refuses to listen at {far_listen}: it is not permitted to, "
	    "or its host does not have that address",
	    {
		{ CULVERT, "--far-address ADDRESS", "an address of {host}" },
		{ SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED },
		{ KEY_LINE, "{key_line}",
		    "in place of the options that are there" },
	    },
	    .change = { SUGGEST_OPTION, .name = "far-address",
		.value = "ADDRESS" }),
	WRONG(FORWARD_FORBIDDEN_KEY_LISTEN, "remote forward",
	    "this key is not permitted to listen at {far_listen}: its "
	    "permitlisten",
	    FIX_KEY),
	WRONG(FORWARD_GATEWAY, "remote forward",
	    "sshd listens on its loopback, and not at {far_listen}",
	    {
		{ SSHD_CONFIG, "GatewayPorts clientspecified", IN_PLACE },
		{ CULVERT, "{forward} with an address of {host} in front",
		    "if it does not have that one" },
	    }),
	WRONG(FORWARD_NOT_OWN, "remote forward",
	    "sshd refuses to listen at {far_listen}: its host does not have "
	    "that address, or it is not permitted to",
	    {
		{ CULVERT, "{forward} with an address of {host} in front",
		    NULL },
		{ SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED },
		{ KEY_LINE, "{key_line}",
		    "in place of the options that are there" },
	    }),
	NOTE(FORWARD_TAKEN, "remote forward",
	    "{far_listen} is taken on the SSH server; that is as expected if "
	    "culvert runs there already",
	    { { CULVERT, "{forward} with another port in front", NULL } }),
	WRONG(FORWARD_DEAF, "remote forward",
	    "active mode does not work: {why}",
	    { { CULVERT, "--server-mode passive", "if passive mode works" } }),
	WRONG(FORWARD_DEAF_REMOTE, "remote forward", "{why}",
	    { { CULVERT, "{forward} with a port that is free there in front",
		"in place of 0" } }),
	WRONG(FORWARD_FAILED, "remote forward",
	    "sshd does not listen at {far_listen}: {why}"),

	OK(CLIENT_PASSIVE_OK, "passive clients",
	    "sshd listens for their data connections"),
	WRONG(CLIENT_PASSIVE_EITHER, "passive clients",
	    "sshd does not listen for their data connections either: see "
	    "remote forward"),
	WRONG(CLIENT_PASSIVE_WRONG, "passive clients",
	    "sshd does not listen for their data connections: {why}",
	    {
		{ SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED },
		{ KEY_LINE, "{key_line}", NULL },
	    }),
	WRONG(CLIENT_PASSIVE_DEAF, "passive clients",
	    "only clients in active mode can be served: {why}"),
	OK(CLIENT_ACTIVE_OK, "active clients",
	    "sshd reaches clients on its own host"),
	WRONG(CLIENT_ACTIVE_FORBIDDEN, "active clients",
	    "sshd is not permitted to connect to the clients' data ports",
	    {
		{ SSHD_CONFIG, "AllowTcpForwarding yes", IN_PLACE },
		{ SSHD_CONFIG, "PermitOpen {clients}", ADDED },
		{ KEY_LINE, "{key_line}", NULL },
	    }),
	NOTE(CLIENT_ACTIVE_FAILED, "active clients",
	    "it was not found out whether sshd reaches them: {why}"),
};

const struct row *
advice_row(enum finding finding)
{
	return finding < GREETING_OK ? &rows[finding] : advice_ftp_row(finding);
}
