/*
 * The texts of findings about the FTP server.
 */
#include "check/advice_priv.h"

static const struct row rows[FINDINGS] = {
	OK(GREETING_OK, "greeting", "{greeting}"),
	WRONG(GREETING_REFUSED, "greeting",
	    "the FTP server accepts no clients at the moment: {reply}",
	    {
		{ SERVER_HOST, "ftpd: ALL",
		    "in /etc/hosts.allow, with the FTP server's name for ftpd, "
		    "if that file refuses {from}; or wait, if the server is "
		    "busy" },
	    }),
	WRONG(GREETING_FULL, "greeting",
	    "the FTP server has too many clients: {reply}",
	    { { FTP_SERVER, NULL,
		"for the server, all clients that come through SSH have one "
		"address" } },
	    TOPIC_LIMITS),
	WRONG(GREETING_TLS, "greeting",
	    "{server} sends nothing before TLS, as is usual on port 990; "
	    "culvert cannot read FTP inside TLS",
	    { { CULVERT,
		"{forward} with the port of FTP without TLS at the end",
		NULL } },
	    .change = { SUGGEST_SERVER_PORT, .value = "21" }),
	WRONG(GREETING_NOT_FTP, "greeting",
	    "{server} is not an FTP server; it sends: {reply}",
	    { { CULVERT, "{forward} with the FTP server's port at the end",
		NULL } },
	    .change = { SUGGEST_SERVER_PORT, .value = "PORT" }),
	WRONG(GREETING_ENDED, "greeting",
	    "{server} closes the connection at once: {why}",
	    {
		{ SERVER_HOST, "ftpd: ALL",
		    "in /etc/hosts.allow, with the FTP server's name for ftpd, "
		    "if that file refuses {from}; or raise the server's limits "
		    "on connections" },
	    }),
	WRONG(GREETING_SILENT, "greeting",
	    "{server} accepts the connection, but sends nothing for "
	    "{greeting_s} s",
	    { { CULVERT, "{forward} with the FTP server's port at the end",
		NULL } },
	    .change = { SUGGEST_SERVER_PORT, .value = "PORT" }),
	OK(FEAT_OK, "FEAT", "{feat}"),
	NOTE(FEAT_NONE, "FEAT", "the server does not support FEAT: {reply}"),
	OK(TLS_NONE, "TLS",
	    "the server has no TLS, and needs none: SSH encrypts"),
	OK(TLS_OFFERED, "TLS",
	    "offered, but not required; culvert hides it from clients, since "
	    "SSH encrypts"),
	WRONG(TLS_DEMANDED, "TLS",
	    "the server requires TLS, inside which culvert cannot see data "
	    "connections: {reply}",
	    {
		{ FTP_SERVER, NULL, NULL },
		{ CULVERT, "--allow-tls", "then data connections bypass SSH" },
	    },
	    TOPIC_TLS),
	WRONG(TLS_DEMANDED_DATA, "TLS",
	    "the server requires TLS for data connections: {reply}",
	    {
		{ FTP_SERVER, NULL, NULL },
		{ CULVERT, "--allow-tls", "then data connections bypass SSH" },
	    },
	    TOPIC_TLS_DATA),
	UNTRIED(NETRC_WRONG, "netrc", "{netrc} cannot be used: {why}",
	    { { NETRC, "machine {machine} login NAME password PASSWORD",
		"a line like this; or use --netrc FILE with another file" } }),
	NOTE(NETRC_OPEN, "netrc", "others can read {netrc}",
	    { { THIS_HOST, "chmod 600 {'netrc}", NULL } }),
	OK(USER_OK, "FTP login", "{ftp_user}"),
	UNTRIED(USER_NOT_GIVEN, "FTP login",
	    "neither the login nor listings were tried: no user was given",
	    {
		{ THIS_HOST, "culvert check --user NAME",
		    "or an entry for machine {machine} in {netrc}" },
	    }),
	UNTRIED(USER_NO_PASSWORD, "FTP login",
	    "not tried: there is no terminal to ask for the password of "
	    "{ftp_user}",
	    {
		{ NETRC, "machine {machine} login {ftp_user} password PASSWORD",
		    NULL },
		{ HERE, "run the same command in a terminal, without --batch",
		    "\"su -c\" has none" },
	    }),
	WRONG(USER_DENIED, "FTP login",
	    "the server does not accept that password for {ftp_user}: {reply}",
	    {
		{ HERE, "use the right password or user",
		    "with --user NAME, or in {netrc}" },
		{ FTP_SERVER, NULL, NULL },
	    },
	    TOPIC_LOGIN),
	WRONG(USER_DENIED_ANONYMOUS, "FTP login",
	    "the server does not let {ftp_user} log in: {reply}",
	    {
		{ FTP_SERVER, NULL, NULL },
		{ THIS_HOST, "culvert check --user NAME", "another user" },
	    },
	    TOPIC_ANONYMOUS),
	WRONG(USER_FULL, "FTP login",
	    "the FTP server has too many clients: {reply}",
	    { { FTP_SERVER, NULL,
		"for the server, all clients that come through SSH have one "
		"address" } },
	    TOPIC_LIMITS),
	UNTRIED(USER_ACCOUNT, "FTP login",
	    "the server requires an account (ACCT), which this check cannot "
	    "send: {reply}"),
	WRONG(SERVER_LOST, "FTP", "the server no longer answers: {why}"),
	OK(MODE_OK, "{verb}", "a listing of {bytes} bytes"),
	UNTRIED(MODE_NOT_TRIED, "{verb}", "not tried: not logged in"),
	SKIPPED(MODE_NOT_USED, "{verb}", "not used: --server-mode excludes it"),
	SKIPPED(MODE_OTHER_FAMILY, "{verb}",
	    "not tried: PORT is for IPv4, but the server uses IPv6"),
	WRONG(MODE_REFUSED_PASSIVE, "{verb}",
	    "the server refuses passive mode: {reply}",
	    { { FTP_SERVER, NULL, NULL } }, TOPIC_PASSIVE),
	WRONG(MODE_REFUSED_ACTIVE, "{verb}",
	    "the server refuses active mode: {reply}",
	    { { FTP_SERVER, NULL, NULL } }, TOPIC_ACTIVE),
	WRONG(MODE_REFUSED_VERB, "{verb}", "the server refuses it: {reply}",
	    { { FTP_SERVER, NULL, NULL } }, TOPIC_VERB),
	WRONG(MODE_REFUSED_APART, "{verb}",
	    "the server is on another host than sshd, and refuses an address "
	    "on sshd's loopback: {reply}",
	    {
		{ CULVERT, "{forward} with localhost as the host",
		    "if the server runs on {host} itself" },
		{ CULVERT, "--far-address ADDRESS",
		    "an address of {host}, which needs GatewayPorts "
		    "clientspecified in its sshd_config" },
		{ FTP_SERVER, NULL, "if it refuses every address" },
	    },
	    TOPIC_ACTIVE),
	WRONG(MODE_NO_PORT, "{verb}", "there is no port in its reply: {reply}",
	    {
		{ FTP_SERVER, NULL, NULL },
		{ CULVERT, "--server-mode active", "if active mode works" },
	    },
	    TOPIC_ADDRESS),
	WRONG(MODE_FORBIDDEN, "{verb}",
	    "sshd is not permitted to connect to the server's data port "
	    "{data_port}",
	    {
		{ SSHD_CONFIG, "PermitOpen {server_host}:*", ADDED },
		{ CULVERT, "--server-mode active", "if active mode works" },
	    }),
	WRONG(MODE_FORBIDDEN_KEY, "{verb}",
	    "the permitopen option of this key does not permit the server's "
	    "data port {data_port}",
	    {
		{ KEY_LINE, "{key_line}", "replaces the options there" },
		{ CULVERT, "--server-mode active", "if active mode works" },
	    }),
	WRONG(MODE_NO_LISTENER, "{verb}",
	    "{from} does not listen for data connections: see \"remote "
	    "forward\" above"),
	WRONG(MODE_CONNECT_FAILED, "{verb}",
	    "{from} does not reach the server's data port {data_port}: {why}",
	    {
		{ FTP_SERVER, NULL, NULL },
		{ CULVERT, "--server-mode active", "if active mode works" },
	    },
	    TOPIC_PORTS),
	WRONG(MODE_CONNECT_REPLY, "{verb}",
	    "{from} does not reach the address in its reply: see \"address in "
	    "227\" below"),
	WRONG(MODE_NOT_COME, "{verb}",
	    "the server does not connect to {why}: {reply}",
	    {
		{ SERVER_HOST,
		    "nft insert rule inet filter output tcp dport 1024-65535 "
		    "accept",
		    "allows its data connections to {from}; or do the same in "
		    "another packet filter" },
	    }),
	WRONG(MODE_PEER, "{verb}",
	    "the server does not accept the address of the data connection's "
	    "other end: {reply}",
	    { { FTP_SERVER, NULL, NULL } }, TOPIC_PEER),
	WRONG(MODE_CUT, "{verb}",
	    "the listing is incomplete ({bytes} bytes): {why}"),
	WRONG(MODE_CUT_PASSIVE, "{verb}",
	    "the listing is incomplete ({bytes} bytes): {why}",
	    { { CULVERT, "--server-mode active", "if active mode works" } }),
	WRONG(MODE_TLS, "{verb}", "refused without TLS: see \"TLS\" above"),
	NOTE(MODE_NO_LISTING, "{verb}",
	    "the data connection works, but the server refuses to list: "
	    "{reply}"),
	UNTRIED(MODE_UNSEEN, "{verb}",
	    "accepted, but not tried, since the server refuses to list: "
	    "{reply}"),
	OK(ADDRESS_OK, "address in 227", "{announced}"),
	OK(ADDRESS_FAR, "address in 227",
	    "{announced}; culvert ignores it and connects to {server_host}"),
	NOTE(ADDRESS_WRONG, "address in 227",
	    "{announced} is not {server_host}; culvert ignores it, but without "
	    "culvert clients would fail",
	    { { FTP_SERVER, NULL, NULL } }, TOPIC_ADDRESS),
	WRONG(ADDRESS_WRONG_USED, "address in 227",
	    "{announced} is not {server_host}, and --server-data-host reply "
	    "uses it",
	    {
		{ FTP_SERVER, NULL, NULL },
		{ CULVERT, "", "remove --server-data-host reply" },
	    },
	    TOPIC_ADDRESS,
	    .change = { SUGGEST_NO_OPTION, .name = "server-data-host" }),
	OK(ROUND_TRIP, "round trip",
	    "{rtt_ms} ms from a command to its reply through SSH (median of "
	    "{count} NOOP)"),
};

const struct row *
advice_ftp_row(enum finding finding)
{
	return &rows[finding];
}
