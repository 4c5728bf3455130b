/*
 * The kinds of FTP servers, and their settings.
 */
#include "check/server.h"

#include <stddef.h>
#include <string.h>

/* Texts in the greeting, or in the reply to SYST; the first match counts. */
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
	/* Texts for a client that is one too many. */
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

/* A kind without a row for a topic uses that of SERVER_UNKNOWN, at the end. */
static const struct {
	enum server_kind kind;
	enum server_topic topic;
	const char *line;
} settings[] = {
	{ SERVER_VSFTPD, TOPIC_PASSIVE, "pasv_enable=YES" },
	{ SERVER_VSFTPD, TOPIC_ACTIVE, "port_enable=YES" },
	{ SERVER_VSFTPD, TOPIC_VERB,
	    "remove {verb} from cmds_denied, and add it to cmds_allowed if "
	    "that is set" },
	{ SERVER_VSFTPD, TOPIC_ADDRESS, "pasv_address={server_host}" },
	{ SERVER_VSFTPD, TOPIC_PORTS,
	    "pasv_min_port and pasv_max_port: the range that its packet filter "
	    "allows" },
	{ SERVER_VSFTPD, TOPIC_PEER, "pasv_promiscuous=YES" },
	{ SERVER_VSFTPD, TOPIC_TLS, "force_local_logins_ssl=NO" },
	{ SERVER_VSFTPD, TOPIC_TLS_DATA, "force_local_data_ssl=NO" },
	{ SERVER_VSFTPD, TOPIC_LOGIN,
	    "local_enable=YES; remove {ftp_user} from /etc/ftpusers and from "
	    "the list of userlist_enable" },
	{ SERVER_VSFTPD, TOPIC_ANONYMOUS, "anonymous_enable=YES" },
	{ SERVER_VSFTPD, TOPIC_LIMITS,
	    "higher max_per_ip and max_clients, or 0" },
	{ SERVER_PROFTPD, TOPIC_PASSIVE, "no DenyAll in <Limit PASV EPSV>" },
	{ SERVER_PROFTPD, TOPIC_ACTIVE, "no DenyAll in <Limit PORT EPRT>" },
	{ SERVER_PROFTPD, TOPIC_VERB, "no DenyAll in <Limit {verb}>" },
	{ SERVER_PROFTPD, TOPIC_ADDRESS,
	    "MasqueradeAddress {server_host} (or none)" },
	{ SERVER_PROFTPD, TOPIC_PORTS,
	    "PassivePorts: the range that its packet filter allows" },
	{ SERVER_PROFTPD, TOPIC_PEER, "AllowForeignAddress on" },
	{ SERVER_PROFTPD, TOPIC_TLS, "TLSRequired off" },
	{ SERVER_PROFTPD, TOPIC_TLS_DATA, "TLSRequired off" },
	{ SERVER_PROFTPD, TOPIC_LOGIN,
	    "RequireValidShell off, if the shell of {ftp_user} is not in "
	    "/etc/shells; UseFtpUsers off, if {ftp_user} is in /etc/ftpusers" },
	{ SERVER_PROFTPD, TOPIC_ANONYMOUS,
	    "an <Anonymous> section with UserAlias anonymous ftp" },
	{ SERVER_PROFTPD, TOPIC_LIMITS,
	    "higher MaxClientsPerHost, MaxClientsPerUser and MaxClients, or "
	    "none" },
	{ SERVER_PUREFTPD, TOPIC_PASSIVE, "without -N (NATmode no)" },
	{ SERVER_PUREFTPD, TOPIC_ACTIVE,
	    "no option forbids active mode: look for a packet filter" },
	{ SERVER_PUREFTPD, TOPIC_VERB, "without -N (NATmode no)" },
	{ SERVER_PUREFTPD, TOPIC_ADDRESS, "without -P (ForcePassiveIP)" },
	{ SERVER_PUREFTPD, TOPIC_PORTS,
	    "-p FIRST:LAST (PassivePortRange): the range that its packet "
	    "filter allows" },
	{ SERVER_PUREFTPD, TOPIC_PEER, "-w (AllowUserFXP yes)" },
	{ SERVER_PUREFTPD, TOPIC_TLS, "-Y 1 (TLS 1)" },
	{ SERVER_PUREFTPD, TOPIC_TLS_DATA, "-Y 1 (TLS 1)" },
	{ SERVER_PUREFTPD, TOPIC_LOGIN,
	    "a user of that name in the database of -l; for system users, a -u "
	    "(MinUID) not above the user's number" },
	{ SERVER_PUREFTPD, TOPIC_ANONYMOUS, "without -E (NoAnonymous no)" },
	{ SERVER_PUREFTPD, TOPIC_LIMITS,
	    "higher -C (MaxClientsPerIP) and -c (MaxClientsNumber)" },
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
	    "highDataChannelPort: the range that its firewall allows" },
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
	    "a higher ftpServer/connections maxConnections" },
	{ SERVER_FILEZILLA, TOPIC_ADDRESS, "Passive mode: the default host" },
	{ SERVER_FILEZILLA, TOPIC_PORTS,
	    "Passive mode: a port range that its firewall allows" },
	{ SERVER_FILEZILLA, TOPIC_TLS,
	    "Server listeners: \"Explicit FTP over TLS and insecure plain "
	    "FTP\"" },
	{ SERVER_FILEZILLA, TOPIC_TLS_DATA,
	    "Server listeners: \"Explicit FTP over TLS and insecure plain "
	    "FTP\"" },
	{ SERVER_FILEZILLA, TOPIC_LOGIN, "Users: {ftp_user}, enabled" },
	{ SERVER_FILEZILLA, TOPIC_ANONYMOUS,
	    "Users: anonymous, enabled, with no password" },
	{ SERVER_FILEZILLA, TOPIC_LIMITS, "higher limits on connections" },
	{ SERVER_PYFTPDLIB, TOPIC_PASSIVE,
	    "PASV and EPSV in FTPHandler.proto_cmds" },
	{ SERVER_PYFTPDLIB, TOPIC_ACTIVE,
	    "PORT and EPRT in FTPHandler.proto_cmds" },
	{ SERVER_PYFTPDLIB, TOPIC_VERB, "{verb} in FTPHandler.proto_cmds" },
	{ SERVER_PYFTPDLIB, TOPIC_ADDRESS,
	    "FTPHandler.masquerade_address = None" },
	{ SERVER_PYFTPDLIB, TOPIC_PORTS,
	    "FTPHandler.passive_ports: the range that its packet filter "
	    "allows" },
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
	    "higher FTPServer.max_cons_per_ip and FTPServer.max_cons, or 0" },
	{ SERVER_INETUTILS, TOPIC_PASSIVE,
	    "no option forbids passive mode: look for a packet filter" },
	{ SERVER_INETUTILS, TOPIC_ACTIVE,
	    "no option forbids active mode: look for a packet filter" },
	{ SERVER_INETUTILS, TOPIC_VERB,
	    "install a newer version, which has {verb}" },
	{ SERVER_INETUTILS, TOPIC_ADDRESS,
	    "no option sets another address: look for a NAT" },
	{ SERVER_INETUTILS, TOPIC_PORTS,
	    "allow all ports of its host in the packet filter" },
	{ SERVER_INETUTILS, TOPIC_PEER, "no option allows another peer" },
	{ SERVER_INETUTILS, TOPIC_TLS, "run a server without TLS" },
	{ SERVER_INETUTILS, TOPIC_TLS_DATA, "run a server without TLS" },
	{ SERVER_INETUTILS, TOPIC_LOGIN,
	    "remove {ftp_user} from /etc/ftpusers, and give it a shell of "
	    "/etc/shells" },
	{ SERVER_INETUTILS, TOPIC_ANONYMOUS,
	    "a system user ftp that is not in /etc/ftpusers" },
	{ SERVER_INETUTILS, TOPIC_LIMITS,
	    "no option limits clients: look at inetd" },
	{ SERVER_UNKNOWN, TOPIC_PASSIVE, "allow passive mode (PASV and EPSV)" },
	{ SERVER_UNKNOWN, TOPIC_ACTIVE, "allow active mode (PORT and EPRT)" },
	{ SERVER_UNKNOWN, TOPIC_VERB, "allow {verb}" },
	{ SERVER_UNKNOWN, TOPIC_ADDRESS,
	    "set no \"external\" or \"masquerade\" address for passive mode" },
	{ SERVER_UNKNOWN, TOPIC_PORTS,
	    "a range of passive ports that the packet filter of its host "
	    "allows" },
	{ SERVER_UNKNOWN, TOPIC_PEER,
	    "allow data connections from other addresses" },
	{ SERVER_UNKNOWN, TOPIC_TLS,
	    "do not require TLS for the control connection" },
	{ SERVER_UNKNOWN, TOPIC_TLS_DATA,
	    "do not require TLS for data connections" },
	{ SERVER_UNKNOWN, TOPIC_LOGIN, "let {ftp_user} log in" },
	{ SERVER_UNKNOWN, TOPIC_ANONYMOUS,
	    "let {ftp_user} log in, without a password" },
	{ SERVER_UNKNOWN, TOPIC_LIMITS,
	    "allow more clients at a time, also from one address" },
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
