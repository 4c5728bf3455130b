/*
 * The FTP servers that are known by name.
 */
#include "check/server.h"

#include <stddef.h>
#include <string.h>

/* Of its greeting, or its reply to SYST; in this order. */
static const struct {
	const char *words;
	enum server_kind kind;
} marks[] = {
	{ "vsFTPd", SERVER_VSFTPD },
	{ "ProFTPD", SERVER_PROFTPD },
	{ "proftpd", SERVER_PROFTPD },
	{ "Pure-FTPd", SERVER_PUREFTPD },
	{ "Microsoft FTP", SERVER_IIS },
	{ "FileZilla", SERVER_FILEZILLA },
	{ "pyftpdlib", SERVER_PYFTPDLIB },
	{ "GNU inetutils", SERVER_INETUTILS },
	{ "Windows_NT", SERVER_IIS },
	/* It is only said to one too many. */
	{ "There are too many conn", SERVER_VSFTPD },
	{ "users (the maximum) are already", SERVER_PUREFTPD },
	{ "421 Too many connections (", SERVER_PUREFTPD },
	{ "from the same IP address", SERVER_PYFTPDLIB },
};

static const char *const places[SERVER_KINDS] = {
	[SERVER_UNKNOWN] = "the FTP server's configuration",
	[SERVER_VSFTPD] = "vsftpd.conf",
	[SERVER_PROFTPD] = "proftpd.conf",
	[SERVER_PUREFTPD] = "pure-ftpd's options, or /etc/pure-ftpd/conf",
	[SERVER_IIS] = "IIS, applicationHost.config",
	[SERVER_FILEZILLA] = "FileZilla Server, Configure",
	[SERVER_PYFTPDLIB] = "the program that uses pyftpdlib",
	[SERVER_INETUTILS] = "inetutils ftpd, which has few options",
};

/* What is not there is as for an unknown one, the last. */
static const struct {
	enum server_kind kind;
	enum server_topic topic;
	const char *line;
} settings[] = {
	{ SERVER_VSFTPD, TOPIC_PASSIVE, "pasv_enable=YES" },
	{ SERVER_VSFTPD, TOPIC_ACTIVE, "port_enable=YES" },
	{ SERVER_VSFTPD, TOPIC_VERB,
	    "cmds_denied without {verb}, and in cmds_allowed, where that is "
	    "set, with it" },
	{ SERVER_VSFTPD, TOPIC_ADDRESS, "pasv_address={server_host}" },
	{ SERVER_VSFTPD, TOPIC_PORTS,
	    "pasv_min_port and pasv_max_port, the range that its packet "
	    "filter lets in" },
	{ SERVER_VSFTPD, TOPIC_PEER, "pasv_promiscuous=YES" },
	{ SERVER_VSFTPD, TOPIC_TLS, "force_local_logins_ssl=NO" },
	{ SERVER_VSFTPD, TOPIC_TLS_DATA, "force_local_data_ssl=NO" },
	{ SERVER_VSFTPD, TOPIC_LOGIN,
	    "local_enable=YES; {ftp_user} not in /etc/ftpusers nor refused "
	    "by userlist_enable" },
	{ SERVER_VSFTPD, TOPIC_ANONYMOUS, "anonymous_enable=YES" },
	{ SERVER_VSFTPD, TOPIC_LIMITS,
	    "max_per_ip and max_clients, higher, or 0" },
	{ SERVER_PROFTPD, TOPIC_PASSIVE, "no DenyAll in a <Limit PASV EPSV>" },
	{ SERVER_PROFTPD, TOPIC_ACTIVE, "no DenyAll in a <Limit PORT EPRT>" },
	{ SERVER_PROFTPD, TOPIC_VERB, "no DenyAll in a <Limit {verb}>" },
	{ SERVER_PROFTPD, TOPIC_ADDRESS,
	    "MasqueradeAddress {server_host} (or none)" },
	{ SERVER_PROFTPD, TOPIC_PORTS,
	    "PassivePorts, the range that its packet filter lets in" },
	{ SERVER_PROFTPD, TOPIC_PEER, "AllowForeignAddress on" },
	{ SERVER_PROFTPD, TOPIC_TLS, "TLSRequired off" },
	{ SERVER_PROFTPD, TOPIC_TLS_DATA, "TLSRequired off" },
	{ SERVER_PROFTPD, TOPIC_LOGIN,
	    "RequireValidShell off, where {ftp_user} has no shell of "
	    "/etc/shells; UseFtpUsers off, where it is in /etc/ftpusers" },
	{ SERVER_PROFTPD, TOPIC_ANONYMOUS,
	    "an <Anonymous> section, with UserAlias anonymous ftp" },
	{ SERVER_PROFTPD, TOPIC_LIMITS,
	    "MaxClientsPerHost, MaxClientsPerUser and MaxClients, higher, "
	    "or none" },
	{ SERVER_PUREFTPD, TOPIC_PASSIVE, "without -N (NATmode no)" },
	{ SERVER_PUREFTPD, TOPIC_ACTIVE,
	    "allow active mode (it has no option against it: a packet "
	    "filter?)" },
	{ SERVER_PUREFTPD, TOPIC_VERB, "without -N (NATmode no)" },
	{ SERVER_PUREFTPD, TOPIC_ADDRESS, "without -P (ForcePassiveIP)" },
	{ SERVER_PUREFTPD, TOPIC_PORTS,
	    "-p FIRST:LAST (PassivePortRange), the range that its packet "
	    "filter lets in" },
	{ SERVER_PUREFTPD, TOPIC_PEER, "-w (AllowUserFXP yes)" },
	{ SERVER_PUREFTPD, TOPIC_TLS, "-Y 1 (TLS 1)" },
	{ SERVER_PUREFTPD, TOPIC_TLS_DATA, "-Y 1 (TLS 1)" },
	{ SERVER_PUREFTPD, TOPIC_LOGIN,
	    "a user of that name in the database of -l; of system users, -u "
	    "(MinUID) not above its number" },
	{ SERVER_PUREFTPD, TOPIC_ANONYMOUS, "without -E (NoAnonymous no)" },
	{ SERVER_PUREFTPD, TOPIC_LIMITS,
	    "-C (MaxClientsPerIP) and -c (MaxClientsNumber), higher" },
	{ SERVER_IIS, TOPIC_PASSIVE,
	    "ftpServer/security/commandFiltering without PASV and EPSV" },
	{ SERVER_IIS, TOPIC_ACTIVE,
	    "ftpServer/security/commandFiltering without PORT and EPRT" },
	{ SERVER_IIS, TOPIC_VERB,
	    "ftpServer/security/commandFiltering without {verb}" },
	{ SERVER_IIS, TOPIC_ADDRESS,
	    "ftpServer/firewallSupport externalIp4Address=\"{server_host}\"" },
	{ SERVER_IIS, TOPIC_PORTS,
	    "system.ftpServer/firewallSupport lowDataChannelPort and "
	    "highDataChannelPort, the range that its firewall lets in" },
	{ SERVER_IIS, TOPIC_PEER,
	    "ftpServer/security/dataChannelSecurity "
	    "matchClientAddressForPort=\"false\" "
	    "matchClientAddressForPasv=\"false\"" },
	{ SERVER_IIS, TOPIC_TLS,
	    "ftpServer/security/ssl controlChannelPolicy=\"SslAllow\"" },
	{ SERVER_IIS, TOPIC_TLS_DATA,
	    "ftpServer/security/ssl dataChannelPolicy=\"SslAllow\"" },
	{ SERVER_IIS, TOPIC_LOGIN,
	    "ftpServer/security/authentication, basicAuthentication "
	    "enabled=\"true\", and an authorization for {ftp_user}" },
	{ SERVER_IIS, TOPIC_ANONYMOUS,
	    "ftpServer/security/authentication, anonymousAuthentication "
	    "enabled=\"true\", and an authorization for all users" },
	{ SERVER_IIS, TOPIC_LIMITS,
	    "ftpServer/connections maxConnections, higher" },
	{ SERVER_FILEZILLA, TOPIC_PASSIVE, "allow passive mode" },
	{ SERVER_FILEZILLA, TOPIC_ACTIVE, "allow active mode" },
	{ SERVER_FILEZILLA, TOPIC_VERB, "allow {verb}" },
	{ SERVER_FILEZILLA, TOPIC_ADDRESS, "Passive mode: the default host" },
	{ SERVER_FILEZILLA, TOPIC_PORTS,
	    "Passive mode: a port range that its firewall lets in" },
	{ SERVER_FILEZILLA, TOPIC_PEER, "data connections of other addresses" },
	{ SERVER_FILEZILLA, TOPIC_TLS,
	    "Server listeners: \"Explicit FTP over TLS and insecure plain "
	    "FTP\"" },
	{ SERVER_FILEZILLA, TOPIC_TLS_DATA,
	    "Server listeners: \"Explicit FTP over TLS and insecure plain "
	    "FTP\"" },
	{ SERVER_FILEZILLA, TOPIC_LOGIN, "Users: {ftp_user}, enabled" },
	{ SERVER_FILEZILLA, TOPIC_ANONYMOUS,
	    "Users: anonymous, enabled, with no password" },
	{ SERVER_FILEZILLA, TOPIC_LIMITS, "its limits on connections, higher" },
	{ SERVER_PYFTPDLIB, TOPIC_PASSIVE,
	    "PASV and EPSV in FTPHandler.proto_cmds" },
	{ SERVER_PYFTPDLIB, TOPIC_ACTIVE,
	    "PORT and EPRT in FTPHandler.proto_cmds" },
	{ SERVER_PYFTPDLIB, TOPIC_VERB, "{verb} in FTPHandler.proto_cmds" },
	{ SERVER_PYFTPDLIB, TOPIC_ADDRESS,
	    "FTPHandler.masquerade_address = None" },
	{ SERVER_PYFTPDLIB, TOPIC_PORTS,
	    "FTPHandler.passive_ports, the range that its packet filter "
	    "lets in" },
	{ SERVER_PYFTPDLIB, TOPIC_PEER,
	    "FTPHandler.permit_foreign_addresses = True" },
	{ SERVER_PYFTPDLIB, TOPIC_TLS,
	    "TLS_FTPHandler.tls_control_required = False" },
	{ SERVER_PYFTPDLIB, TOPIC_TLS_DATA,
	    "TLS_FTPHandler.tls_data_required = False" },
	{ SERVER_PYFTPDLIB, TOPIC_LOGIN,
	    "authorizer.add_user() for {ftp_user}" },
	{ SERVER_PYFTPDLIB, TOPIC_ANONYMOUS, "authorizer.add_anonymous()" },
	{ SERVER_PYFTPDLIB, TOPIC_LIMITS,
	    "FTPServer.max_cons_per_ip and FTPServer.max_cons, higher, or 0" },
	{ SERVER_INETUTILS, TOPIC_PASSIVE,
	    "nothing in it forbids passive mode: a packet filter?" },
	{ SERVER_INETUTILS, TOPIC_ACTIVE,
	    "nothing in it forbids active mode: a packet filter?" },
	{ SERVER_INETUTILS, TOPIC_VERB, "a newer one, with {verb}" },
	{ SERVER_INETUTILS, TOPIC_ADDRESS,
	    "nothing in it sets another address: a NAT?" },
	{ SERVER_INETUTILS, TOPIC_PORTS,
	    "all ports of its host, to be let in" },
	{ SERVER_INETUTILS, TOPIC_PEER, "nothing in it allows another peer" },
	{ SERVER_INETUTILS, TOPIC_TLS, "one without TLS" },
	{ SERVER_INETUTILS, TOPIC_TLS_DATA, "one without TLS" },
	{ SERVER_INETUTILS, TOPIC_LOGIN,
	    "{ftp_user} not in /etc/ftpusers, with a shell of /etc/shells" },
	{ SERVER_INETUTILS, TOPIC_ANONYMOUS,
	    "a system user ftp, which is not in /etc/ftpusers" },
	{ SERVER_INETUTILS, TOPIC_LIMITS,
	    "nothing in it counts clients: inetd?" },
	{ SERVER_UNKNOWN, TOPIC_PASSIVE, "allow passive mode (PASV and EPSV)" },
	{ SERVER_UNKNOWN, TOPIC_ACTIVE, "allow active mode (PORT and EPRT)" },
	{ SERVER_UNKNOWN, TOPIC_VERB, "allow {verb}" },
	{ SERVER_UNKNOWN, TOPIC_ADDRESS,
	    "no other address for passive mode (its \"external\" or "
	    "\"masquerade\" address)" },
	{ SERVER_UNKNOWN, TOPIC_PORTS,
	    "a range of passive ports that the packet filter of its host "
	    "lets in" },
	{ SERVER_UNKNOWN, TOPIC_PEER,
	    "the peer of data connections may be another address" },
	{ SERVER_UNKNOWN, TOPIC_TLS,
	    "do not demand TLS on the control connection" },
	{ SERVER_UNKNOWN, TOPIC_TLS_DATA,
	    "do not demand TLS on data connections" },
	{ SERVER_UNKNOWN, TOPIC_LOGIN, "let {ftp_user} log in" },
	{ SERVER_UNKNOWN, TOPIC_ANONYMOUS,
	    "let {ftp_user} log in, without a password" },
	{ SERVER_UNKNOWN, TOPIC_LIMITS,
	    "more clients at a time, from one address, too" },
};

enum server_kind
server_recognise(const char *text)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(text, marks[i].words) != NULL)
			return marks[i].kind;
	return SERVER_UNKNOWN;
}

const char *
server_place(enum server_kind kind)
{
	return places[kind];
}

const char *
server_setting(enum server_kind kind, enum server_topic topic)
{
	size_t i = 0;

	while (settings[i].topic != topic ||
	    (settings[i].kind != kind && settings[i].kind != SERVER_UNKNOWN))
		i++;
	return settings[i].line;
}
