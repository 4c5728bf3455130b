/*
 * The texts of findings about ssh and sshd.
 */
#include "check/advice_priv.h"

/* For a refusal that the options of the key may cause. */
#define FIX_KEY                                                              \
	{                                                                    \
		{                                                            \
			KEY_LINE, "{key_line}", "replaces the options there" \
		}                                                            \
	}

/* sshd gives a user who may not log in the same answer as one whose key it does
 * not know. */
#define SEE_LOG                                                             \
	{                                                                   \
		FAR_HOST, "journalctl -u ssh | grep 'not allowed because'", \
		    "a line with {user} shows that this user may not log "  \
		    "in"                                                    \
	}
#define ALLOW_USER                                                           \
	{                                                                    \
		SSHD_CONFIG, "AllowUsers {user}",                            \
		    "add {user} to that line, or its group to AllowGroups, " \
		    "if there is one; and remove both from DenyUsers and "   \
		    "DenyGroups"                                             \
	}

/* For an account that, as a session says, has expired.  The session may also
 * have printed somebody's own text. */
#define NEW_PASSWORD                                                         \
	{ THIS_HOST, "{ssh_command} -t",                                     \
		"in a terminal; it asks for a new password" },               \
	    { FAR_HOST, "passwd {'user}", "as root" },                       \
	    { FAR_HOST, "usermod -e '' {'user}",                             \
		    "as root, if the account has expired" },                 \
	{                                                                    \
		FAR_HOST,                                                    \
		    "sshd -T -C user={'user},host=localhost,addr=127.0.0.1 " \
		    "| grep -iE 'forwarding|permit(open|listen)'",           \
		    "as root, if nothing has expired; shows the settings "   \
		    "of sshd that can forbid forwarding"                     \
	}

static const struct row rows[GREETING_OK] = {
	NOTE(NO_SUCH_TUNNEL, "tunnel",
	    "there is no [tunnel {destination}] in {config}, so it is taken "
	    "as a host; the most similar tunnel is {nearest}"),
	WRONG(CONFIG_SLOW, "ssh_config",
	    "ssh -G takes longer than 15 s: a command in Match exec or the "
	    "name service is slow",
	    {
		{ THIS_HOST, "time {ssh_command} -G",
		    "shows how long it takes; make the command in Match exec "
		    "faster" },
	    }),
	OK(NAME_OK, "name", "{host} is {addresses}"),
	OK(NAME_ADDRESS, "name", "{host} is an address"),
	SKIPPED(NAME_PROXY, "name",
	    "not looked up: ssh connects through {proxy}"),
	WRONG(NAME_UNKNOWN, "name", "{host} is not found: {why}",
	    {
		{ SSH_CONFIG, "HostName ADDRESS", "under Host {destination}" },
		{ THIS_HOST, "culvert check [user@]HOST",
		    "with the right name" },
	    },
	    .change = { SUGGEST_DESTINATION, .value = "HOST" }),
	WRONG(NAME_NO_TUNNEL, "name",
	    "{host} is not found: {why}; and there is no [tunnel "
	    "{destination}] in {config}",
	    {
		{ THIS_HOST, "culvert check {nearest}",
		    "the most similar tunnel there" },
		{ SSH_CONFIG, "HostName ADDRESS", "under Host {destination}" },
	    },
	    .change = { .part = SUGGEST_TUNNEL }),
	OK(TCP_OK, "TCP", "{address} in {tcp_ms} ms: {sshd}"),
	SKIPPED(TCP_PROXY, "TCP", "not tried: ssh connects through {proxy}"),
	WRONG(TCP_REFUSED, "TCP", "nothing listens on {address}: {why}",
	    {
		{ SSH_CONFIG, "Port PORT",
		    "the port that sshd listens on; or use -p PORT" },
		{ SSHD_CONFIG, "Port {port}", "and start sshd" },
	    },
	    .change = { SUGGEST_GIVEN, .name = "p", .value = "PORT" }),
	WRONG(TCP_SILENT, "TCP",
	    "{address} does not answer within {connect_s} s: a packet filter "
	    "drops the packets, or the address is wrong",
	    {
		{ FAR_HOST,
		    "nft insert rule inet filter input tcp dport {port} accept",
		    "allows connections to sshd; or do the same in another "
		    "packet filter" },
		{ SSH_CONFIG, "HostName ADDRESS",
		    "the right address, and Port PORT if it is another port" },
	    }),
	WRONG(TCP_FAILED, "TCP", "{address} cannot be reached: {why}",
	    { { SSH_CONFIG, "HostName ADDRESS", "the right address" } }),
	WRONG(TCP_NO_WORD, "TCP",
	    "{address} accepts the connection, but sends nothing or closes it",
	    {
		{ SSHD_CONFIG, "MaxStartups 100:30:200",
		    "allows more logins at a time; and remove this host from "
		    "/etc/hosts.deny" },
		{ SSH_CONFIG, "Port PORT",
		    "if another program listens on that port" },
	    }),
	WRONG(TCP_FULL, "TCP",
	    "sshd accepts no more connections at the moment: {why}",
	    {
		{ SSHD_CONFIG, "MaxStartups 100:30:200",
		    "allows more logins at a time" },
		{ SSHD_CONFIG, "PerSourcePenalties no",
		    "OpenSSH 9.8 or newer refuses an address for a while after "
		    "failed logins" },
	    }),
	WRONG(TCP_NOT_SSH, "TCP",
	    "{address} is not an SSH server; it sends: {why}",
	    { { SSH_CONFIG, "Port PORT",
		"the port that sshd listens on; or use -p PORT" } },
	    .change = { SUGGEST_GIVEN, .name = "p", .value = "PORT" }),

	OK(HOST_KEY_OK, "host key", "{host_key}, as in {host_key_place}"),
	OK(HOST_KEY_TAKEN, "host key", "{host_key}, which ssh accepts"),
	NOTE(HOST_KEY_IGNORED, "host key",
	    "{host_key} differs from the one in {host_key_place}, but ssh "
	    "accepts it: somebody may intercept the connection",
	    {
		{ SSH_CONFIG, "StrictHostKeyChecking yes", NULL },
		{ THIS_HOST, "ssh-keygen -f {'known_hosts} -R {'host_key_name}",
		    "only if the administrator of {host} confirms the new "
		    "key" },
	    }),
	WRONG(HOST_KEY_REVOKED, "host key",
	    "{host_key} is revoked: known_hosts marks it @revoked",
	    {
		{ FAR_HOST, "",
		    "others may have this key: remove it, and create a new one "
		    "with ssh-keygen -A" },
	    }),
	WRONG(HOST_KEY_CHANGED, "host key",
	    "{host_key} is not the one in {host_key_place}: the host was "
	    "reinstalled, or somebody intercepts the connection",
	    {
		{ THIS_HOST, "ssh-keygen -f {'known_hosts} -R {'host_key_name}",
		    "only if the administrator of {host} confirms the new "
		    "key" },
	    }),
	WRONG(HOST_KEY_UNKNOWN, "host key",
	    "{host_key} is not in known_hosts, and nobody has confirmed it",
	    {
		{ THIS_HOST,
		    "{ssh_command} -oStrictHostKeyChecking=accept-new true",
		    "if the administrator of {host} confirms this key" },
	    }),
	WRONG(HOST_KEY_NONE_COMMON, "host key",
	    "ssh accepts none of the key types that sshd offers: {offer}",
	    { { SSH_CONFIG, "HostKeyAlgorithms +{offer}", NULL } }),
	OK(LOGIN_OK, "authentication", "{user}, by {method}"),
	WRONG(LOGIN_DENIED, "authentication",
	    "sshd accepts none of these keys for {user}: {keys}; {ssh_why}. "
	    "Either it does not know the keys, or this user may not log in: "
	    "sshd does not tell which",
	    {
		{ AUTHORIZED_KEYS, "{key_line} KEY",
		    "a line with your public key (ssh-keygen creates one); or "
		    "use -i FILE with the private key of a line that is "
		    "there" },
		{ FAR_HOST,
		    "chmod go-w ~{user} ~{user}/.ssh "
		    "~{user}/.ssh/authorized_keys",
		    "sshd ignores the file if others may write to it" },
		SEE_LOG,
		ALLOW_USER,
		{ FAR_HOST, "usermod -U -e '' {'user}",
		    "if the log says that the account is locked or has "
		    "expired" },
	    }),
	WRONG(LOGIN_PASSWORD_ONLY, "authentication",
	    "sshd accepts none of these keys for {user}: {keys}; it would "
	    "accept {methods}, but there is nobody to ask",
	    {
		{ AUTHORIZED_KEYS, "{key_line} KEY",
		    "a line with your public key (ssh-keygen creates one)" },
		{ HERE, "run the same command in a terminal, without --batch",
		    NULL },
		SEE_LOG,
		ALLOW_USER,
	    }),
	WRONG(LOGIN_PASSWORD_WRONG, "authentication",
	    "sshd does not accept that password for {user}: {ssh_why}. Either "
	    "it is wrong, or this user may not log in: sshd does not tell "
	    "which",
	    {
		{ HERE, "use the right password", NULL },
		SEE_LOG,
		ALLOW_USER,
		{ SSHD_CONFIG, "PermitRootLogin yes",
		    "if {user} is root; a key or another user is safer" },
		{ AUTHORIZED_KEYS, "{key_line} KEY",
		    "a line with a public key, which replaces the password" },
	    }),
	WRONG(LOGIN_CLOSED, "authentication",
	    "sshd closes the connection when {user} logs in: {why}",
	    {
		{ FAR_HOST, "usermod -e '' {'user}",
		    "if the account has expired (chage -l {'user} shows it)" },
		{ FAR_HOST, "rm /etc/nologin", "if that file exists" },
		{ FAR_HOST, "journalctl -u ssh | grep {'user}",
		    "shows the reason if PAM refuses the account "
		    "(/etc/security/access.conf, for example)" },
		{ SSHD_CONFIG, "LoginGraceTime 120",
		    "if nobody answered the prompt in time" },
	    }),
	WRONG(LOGIN_NO_KEYS, "authentication",
	    "sshd accepts no keys, only {methods}, and there is nobody to ask "
	    "for a password",
	    {
		{ SSHD_CONFIG, "PubkeyAuthentication yes", IN_PLACE },
		{ HERE, "run the same command in a terminal, without --batch",
		    NULL },
	    }),
	WRONG(LOGIN_MORE, "authentication",
	    "sshd accepts the key {accepted}, but requires {methods} as well: "
	    "{ssh_why}",
	    {
		{ SSHD_CONFIG, "AuthenticationMethods publickey", IN_PLACE },
		{ HERE, "run the same command in a terminal, without --batch",
		    NULL },
	    }),
	WRONG(LOGIN_KEY_LOCKED, "authentication",
	    "sshd would accept the key {accepted}, but ssh cannot use it: it "
	    "has a passphrase, or the agent refuses to sign with it",
	    {
		{ THIS_HOST, "ssh-add {'accepted}",
		    "unlocks it for you; a service needs a key without a "
		    "passphrase" },
		{ HERE, "run the same command in a terminal, without --batch",
		    NULL },
	    }),
	WRONG(LOGIN_REFUSED, "authentication",
	    "sshd knows the key {accepted}, but does not let {user} log in: "
	    "{ssh_why}",
	    {
		{ SSHD_CONFIG, "PermitRootLogin prohibit-password",
		    "if {user} is root; another user is safer" },
		{ FAR_HOST, "usermod -e '' {'user}",
		    "if the account has expired" },
		{ FAR_HOST, "journalctl -u ssh | grep {'user}",
		    "shows the reason, if it is neither of these" },
	    }),
	WRONG(LOGIN_KEY_OLD, "authentication",
	    "ssh and sshd have no signature algorithm in common for these "
	    "keys: {keys}",
	    {
		{ SSH_CONFIG, "PubkeyAcceptedAlgorithms +ssh-rsa",
		    "for an RSA key and an sshd older than OpenSSH 7.2" },
		{ THIS_HOST, "ssh-keygen -t ecdsa",
		    "creates another key, for authorized_keys" },
	    }),
	WRONG(LOGIN_TOO_MANY, "authentication",
	    "sshd closed the connection after these keys: {keys}; {ssh_why}",
	    {
		{ SSH_CONFIG, "IdentitiesOnly yes",
		    "with IdentityFile and the key that sshd knows" },
		{ SSHD_CONFIG, "MaxAuthTries 6", "or more, if it is lower" },
	    }),
	WRONG(LOGIN_KEY_OPEN, "authentication",
	    "ssh does not use {key_file}: others can read it",
	    { { THIS_HOST, "chmod 600 {'key_file}", NULL } }),
	WRONG(KEX_NONE_COMMON, "key exchange",
	    "ssh accepts none of the algorithms that sshd offers: {offer}",
	    { { SSH_CONFIG, "KexAlgorithms +{offer}", NULL } }),
	WRONG(CIPHER_NONE_COMMON, "cipher",
	    "ssh accepts none of the algorithms that sshd offers: {offer}",
	    { { SSH_CONFIG, "Ciphers +{offer}", NULL } }),
	WRONG(MAC_NONE_COMMON, "cipher",
	    "ssh accepts none of the MACs that sshd offers: {offer}",
	    { { SSH_CONFIG, "MACs +{offer}", NULL } }),
	WRONG(PROXY_FAILED, "proxy",
	    "ssh does not reach {host}:{port} through {proxy}: {ssh_why}",
	    {
		{ THIS_HOST, "ssh -v JUMP_HOST true",
		    "shows what fails; JUMP_HOST is the host of ProxyJump. "
		    "With ProxyCommand, run that command" },
	    }),
	WRONG(SSH_CONFIG_WRONG, "ssh", "{ssh_why}",
	    { { SSH_CONFIG, "", "correct the line that this message names" } }),
	WRONG(SSH_FAILED, "ssh", "ssh could not connect: {why}",
	    { { THIS_HOST, "{ssh_command} -v true", "shows more" } }),
	WRONG(SSH_LOST, "ssh", "the connection was lost: {why}"),
	WRONG(SSH_CANNOT_RUN, "ssh", "ssh cannot be started: {why}",
	    { { CULVERT, "--ssh PROGRAM",
		"the path of ssh; or install openssh-client" } },
	    .change = { SUGGEST_GIVEN, .name = "ssh", .value = "PROGRAM" }),
	OK(KEX_OK, "key exchange", "{kex}, which is post-quantum"),
	NOTE(KEX_OLD, "key exchange",
	    "{kex} is not post-quantum: whoever records this connection can "
	    "decrypt it once quantum computers exist",
	    {
		{ SSHD_CONFIG,
		    "KexAlgorithms ^sntrup761x25519-sha512@openssh.com",
		    "with OpenSSH 8.5 or newer" },
		{ SSH_CONFIG,
		    "KexAlgorithms ^sntrup761x25519-sha512@openssh.com", NULL },
	    }),
	OK(CIPHER_OK, "cipher", "{cipher}"),
	NOTE(CIPHER_OLD, "cipher",
	    "{cipher} is old: OpenSSH no longer offers it by default",
	    {
		{ SSHD_CONFIG, "Ciphers ^aes256-gcm@openssh.com", NULL },
		{ SSH_CONFIG, "Ciphers ^aes256-gcm@openssh.com", NULL },
	    }),
	OK(NAGLE_NEVER, "Nagle", "{sshd} sends small packets at once"),
	OK(NAGLE_OK, "Nagle",
	    "sshd sends small packets at once, since culvert has opened a "
	    "session"),
	NOTE(NAGLE_LEFT_ON, "Nagle",
	    "because of --no-session, {sshd} delays small packets, often by 40 "
	    "ms",
	    { { CULVERT, "", "remove --no-session" } }),
	NOTE(NAGLE_NO_SESSION, "Nagle",
	    "sshd delays small packets, often by 40 ms, since it permits no "
	    "session: {why}",
	    {
		{ SSHD_CONFIG, "MaxSessions 10", NULL },
		{ FAR_HOST, "apt-get install openssh-server",
		    "OpenSSH 10.1 and Debian 13's 10.0p1-7+deb13u3, and newer "
		    "versions, never delay them" },
	    }),
	NOTE(NAGLE_NO_SFTP, "Nagle",
	    "sshd delays small packets, often by 40 ms, since it permits no "
	    "session: {why}",
	    {
		{ SSHD_CONFIG, "Subsystem sftp internal-sftp", NULL },
		{ FAR_HOST, "apt-get install openssh-server",
		    "OpenSSH 10.1 and Debian 13's 10.0p1-7+deb13u3, and newer "
		    "versions, never delay them" },
	    }),
	NOTE(NAGLE_UNKNOWN, "Nagle",
	    "unknown whether sshd delays small packets: {why}"),

	OK(LISTEN_OK, "listen", "{listen} is free"),
	NOTE(LISTEN_OWN, "listen",
	    "{listen} is free, but culvert will accept only FTP clients that "
	    "run as {own_user}, the user that runs this check",
	    { { CULVERT, "--any-user",
		"accepts FTP clients of all users on this host" } }),
	NOTE(LISTEN_TAKEN, "listen",
	    "{why}; this is normal if culvert already runs there",
	    { { CULVERT, "{forward} with another first port", NULL } }),
	WRONG(LISTEN_WRONG, "listen", "{why}",
	    { { CULVERT, "{forward} with another first address or port",
		NULL } }),
	WRONG(LISTEN_ALLOW, "listen", "{why}",
	    { { CULVERT, "--allow NETWORK",
		"the network of the FTP clients" } },
	    .change = { SUGGEST_OPTION, .name = "allow", .value = "NETWORK" }),
	WRONG(LISTEN_ADDRESS, "listen", "{why}",
	    {
		{ CULVERT, "--client-address ADDRESS",
		    "the address of {host} that FTP clients connect to" },
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
	    "sshd forwards nothing, so it does not connect to "
	    "{server}{session}",
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
	    "this key may not be used for forwarding, so sshd does not connect "
	    "to {server}{session}",
	    FIX_KEY),
	WRONG(CONNECT_FORBIDDEN_KEY_OPEN, "connect",
	    "the permitopen option of this key does not permit {server}",
	    FIX_KEY),
	WRONG(CONNECT_REFUSED, "connect",
	    "nothing listens on {server}, as seen from {from}: {why}",
	    {
		{ CULVERT, "{forward} with the FTP server's port at the end",
		    NULL },
		{ SERVER_HOST, "", "start the FTP server" },
	    },
	    .change = { SUGGEST_SERVER_PORT, .value = "PORT" }),
	WRONG(CONNECT_UNKNOWN, "connect",
	    "{from} cannot find the host of {server}: {why}",
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
		"allows connections to the FTP server; or do the same in "
		"another packet filter" } }),

	OK(FORWARD_OK, "remote forward", "sshd listens on {far_listen}"),
	SKIPPED(FORWARD_NEVER, "remote forward",
	    "not needed: with --server-mode passive sshd never listens"),
	WRONG(FORWARD_NOTHING, "remote forward",
	    "sshd forwards nothing: see \"connect\" above"),
	WRONG(FORWARD_EXPIRED, "remote forward",
	    "sshd lets {user} log in, but does not listen{session}",
	    {
		NEW_PASSWORD,
	    }),
	WRONG(FORWARD_FORBIDDEN, "remote forward",
	    "sshd refuses every remote forward: {not_forwarded}{session}",
	    {
		{ SSHD_CONFIG, "AllowTcpForwarding yes", IN_PLACE },
		{ SSHD_CONFIG, "DisableForwarding no", IN_PLACE },
	    }),
	WRONG(FORWARD_FORBIDDEN_LISTEN, "remote forward",
	    "sshd is not permitted to listen on {far_listen}",
	    { { SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED } }),
	WRONG(FORWARD_NOT_THERE, "remote forward",
	    "sshd refuses to listen on {far_listen}: it is not permitted to, "
	    "or its host does not have that address",
	    {
		{ CULVERT, "--far-address ADDRESS", "an address of {host}" },
		{ SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED },
		{ KEY_LINE, "{key_line}", "replaces the options there" },
	    },
	    .change = { SUGGEST_OPTION, .name = "far-address",
		.value = "ADDRESS" }),
	WRONG(FORWARD_FORBIDDEN_KEY_LISTEN, "remote forward",
	    "the permitlisten option of this key does not permit {far_listen}",
	    FIX_KEY),
	WRONG(FORWARD_GATEWAY, "remote forward",
	    "sshd listens on loopback instead of {far_listen}",
	    {
		{ SSHD_CONFIG, "GatewayPorts clientspecified", IN_PLACE },
		{ CULVERT, "{forward} with an address of {host} in front",
		    "if {host} does not have that address" },
	    }),
	WRONG(FORWARD_NOT_OWN, "remote forward",
	    "sshd refuses to listen on {far_listen}: its host does not have "
	    "that address, or it is not permitted to",
	    {
		{ CULVERT, "{forward} with an address of {host} in front",
		    NULL },
		{ SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED },
		{ KEY_LINE, "{key_line}", "replaces the options there" },
	    }),
	NOTE(FORWARD_TAKEN, "remote forward",
	    "{far_listen} is in use on the SSH server; this is normal if "
	    "culvert already runs there",
	    { { CULVERT, "{forward} with another first port", NULL } }),
	WRONG(FORWARD_DEAF, "remote forward",
	    "active mode does not work: {why}",
	    { { CULVERT, "--server-mode passive", "if passive mode works" } }),
	WRONG(FORWARD_DEAF_REMOTE, "remote forward", "{why}",
	    { { CULVERT,
		"{forward} with a port that is free on {host} in front",
		"in place of 0" } }),
	WRONG(FORWARD_FAILED, "remote forward",
	    "sshd does not listen on {far_listen}: {why}"),

	OK(CLIENT_PASSIVE_OK, "passive clients",
	    "sshd listens for their data connections"),
	WRONG(CLIENT_PASSIVE_EITHER, "passive clients",
	    "sshd does not listen for their data connections either: see "
	    "\"remote forward\" above"),
	WRONG(CLIENT_PASSIVE_WRONG, "passive clients",
	    "sshd does not listen for their data connections: {why}",
	    {
		{ SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED },
		{ KEY_LINE, "{key_line}", NULL },
	    }),
	WRONG(CLIENT_PASSIVE_DEAF, "passive clients",
	    "only clients in active mode will work: {why}"),
	OK(CLIENT_ACTIVE_OK, "active clients",
	    "sshd can connect to clients on its own host"),
	WRONG(CLIENT_ACTIVE_FORBIDDEN, "active clients",
	    "sshd is not permitted to connect to the clients' data ports",
	    {
		{ SSHD_CONFIG, "AllowTcpForwarding yes", IN_PLACE },
		{ SSHD_CONFIG, "PermitOpen {clients}", ADDED },
		{ KEY_LINE, "{key_line}", NULL },
	    }),
	NOTE(CLIENT_ACTIVE_FAILED, "active clients",
	    "unknown whether sshd can connect to them: {why}"),
};

const struct row *
advice_row(enum finding finding)
{
	return finding < GREETING_OK ? &rows[finding] : advice_ftp_row(finding);
}
