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
};

static const struct {
	const char *name;
	const char *place;
	const char *settings[TOPICS];
} servers[SERVER_KINDS] = {
	[SERVER_UNKNOWN] = { "an unknown FTP server",
	    "the FTP server's configuration",
	    {
		[TOPIC_PASSIVE] = "allow passive mode (PASV and EPSV)",
		[TOPIC_ACTIVE] = "allow active mode (PORT and EPRT)",
		[TOPIC_VERB] = "allow {verb}",
		[TOPIC_ADDRESS] = "no other address for passive mode (its "
				  "\"external\" or \"masquerade\" address)",
		[TOPIC_PORTS] = "a range of passive ports that the packet "
				"filter of its host lets in",
		[TOPIC_PEER] = "the peer of data connections may be another "
			       "address",
		[TOPIC_TLS] = "do not demand TLS on the control connection",
		[TOPIC_TLS_DATA] = "do not demand TLS on data connections",
		[TOPIC_LOGIN] = "let {ftp_user} log in",
	    } },
	[SERVER_VSFTPD] = { "vsftpd", "vsftpd.conf",
	    {
		[TOPIC_PASSIVE] = "pasv_enable=YES",
		[TOPIC_ACTIVE] = "port_enable=YES",
		[TOPIC_VERB] = "cmds_denied without {verb}, and in "
			       "cmds_allowed, where that is set, with it",
		[TOPIC_ADDRESS] = "pasv_address={server_host}",
		[TOPIC_PORTS] = "pasv_min_port and pasv_max_port, the range "
				"that its packet filter lets in",
		[TOPIC_PEER] = "pasv_promiscuous=YES, port_promiscuous=YES",
		[TOPIC_TLS] = "force_local_logins_ssl=NO",
		[TOPIC_TLS_DATA] = "force_local_data_ssl=NO",
		[TOPIC_LOGIN] = "local_enable=YES; {ftp_user} not in "
				"/etc/ftpusers nor refused by userlist_enable",
	    } },
	[SERVER_PROFTPD] = { "proftpd", "proftpd.conf",
	    {
		[TOPIC_PASSIVE] = "no DenyAll in a <Limit PASV EPSV>",
		[TOPIC_ACTIVE] = "no DenyAll in a <Limit PORT EPRT>",
		[TOPIC_VERB] = "no DenyAll in a <Limit {verb}>",
		[TOPIC_ADDRESS] = "MasqueradeAddress {server_host} (or none)",
		[TOPIC_PORTS] = "PassivePorts, the range that its packet "
				"filter lets in",
		[TOPIC_PEER] = "AllowForeignAddress on",
		[TOPIC_TLS] = "TLSRequired off",
		[TOPIC_TLS_DATA] = "TLSRequired off",
		[TOPIC_LOGIN] = "RequireValidShell off, where {ftp_user} has "
				"no shell of /etc/shells; UseFtpUsers off, "
				"where it is in /etc/ftpusers",
	    } },
	[SERVER_PUREFTPD] = { "pure-ftpd",
	    "pure-ftpd's options (or a file of that name in "
	    "/etc/pure-ftpd/conf)",
	    {
		[TOPIC_PASSIVE] = "without -N (NATmode no)",
		[TOPIC_ACTIVE] = "allow active mode (it has no option against "
				 "it: a packet filter?)",
		[TOPIC_VERB] = "without -N (NATmode no)",
		[TOPIC_ADDRESS] = "without -P (ForcePassiveIP)",
		[TOPIC_PORTS] = "-p FIRST:LAST (PassivePortRange), the range "
				"that its packet filter lets in",
		[TOPIC_PEER] = "-w (AllowUserFXP yes)",
		[TOPIC_TLS] = "-Y 1 (TLS 1)",
		[TOPIC_TLS_DATA] = "-Y 1 (TLS 1)",
		[TOPIC_LOGIN] = "a user of that name in the database of -l; "
				"of system users, -u (MinUID) not above its "
				"number",
	    } },
	[SERVER_IIS] = { "IIS", "IIS, applicationHost.config",
	    {
		[TOPIC_PASSIVE] = "ftpServer/security/commandFiltering without "
				  "PASV and EPSV",
		[TOPIC_ACTIVE] = "ftpServer/security/commandFiltering without "
				 "PORT and EPRT",
		[TOPIC_VERB] = "ftpServer/security/commandFiltering without "
			       "{verb}",
		[TOPIC_ADDRESS] = "ftpServer/firewallSupport "
				  "externalIp4Address=\"{server_host}\"",
		[TOPIC_PORTS] = "system.ftpServer/firewallSupport "
				"lowDataChannelPort and highDataChannelPort, "
				"the range that its firewall lets in",
		[TOPIC_PEER] = "ftpServer/security/dataChannelSecurity "
			       "matchClientAddressForPort=\"false\" "
			       "matchClientAddressForPasv=\"false\"",
		[TOPIC_TLS] = "ftpServer/security/ssl "
			      "controlChannelPolicy=\"SslAllow\"",
		[TOPIC_TLS_DATA] = "ftpServer/security/ssl "
				   "dataChannelPolicy=\"SslAllow\"",
		[TOPIC_LOGIN] = "ftpServer/security/authentication, "
				"basicAuthentication enabled=\"true\", and an "
				"authorization for {ftp_user}",
	    } },
	[SERVER_FILEZILLA] = { "FileZilla Server",
	    "FileZilla Server, Configure",
	    {
		[TOPIC_PASSIVE] = "allow passive mode",
		[TOPIC_ACTIVE] = "allow active mode",
		[TOPIC_VERB] = "allow {verb}",
		[TOPIC_ADDRESS] = "Passive mode: the default host",
		[TOPIC_PORTS] = "Passive mode: a port range that its firewall "
				"lets in",
		[TOPIC_PEER] = "data connections of other addresses",
		[TOPIC_TLS] = "Server listeners: \"Explicit FTP over TLS and "
			      "insecure plain FTP\"",
		[TOPIC_TLS_DATA] = "Server listeners: \"Explicit FTP over TLS "
				   "and insecure plain FTP\"",
		[TOPIC_LOGIN] = "Users: {ftp_user}, enabled",
	    } },
	[SERVER_PYFTPDLIB] = { "pyftpdlib", "the program that uses pyftpdlib",
	    {
		[TOPIC_PASSIVE] = "PASV and EPSV in FTPHandler.proto_cmds",
		[TOPIC_ACTIVE] = "PORT and EPRT in FTPHandler.proto_cmds",
		[TOPIC_VERB] = "{verb} in FTPHandler.proto_cmds",
		[TOPIC_ADDRESS] = "FTPHandler.masquerade_address = None",
		[TOPIC_PORTS] = "FTPHandler.passive_ports, the range that its "
				"packet filter lets in",
		[TOPIC_PEER] = "FTPHandler.permit_foreign_addresses = True",
		[TOPIC_TLS] = "TLS_FTPHandler.tls_control_required = False",
		[TOPIC_TLS_DATA] = "TLS_FTPHandler.tls_data_required = False",
		[TOPIC_LOGIN] = "authorizer.add_user() for {ftp_user}",
	    } },
	[SERVER_INETUTILS] = { "inetutils ftpd",
	    "inetutils ftpd, which has "
	    "few options",
	    {
		[TOPIC_PASSIVE] = "nothing in it forbids passive mode: a "
				  "packet filter?",
		[TOPIC_ACTIVE] = "nothing in it forbids active mode: a packet "
				 "filter?",
		[TOPIC_VERB] = "a newer one, with {verb}",
		[TOPIC_ADDRESS] = "nothing in it sets another address: a NAT?",
		[TOPIC_PORTS] = "all ports of its host, to be let in",
		[TOPIC_PEER] = "nothing in it allows another peer",
		[TOPIC_TLS] = "one without TLS",
		[TOPIC_TLS_DATA] = "one without TLS",
		[TOPIC_LOGIN] = "{ftp_user} not in /etc/ftpusers, with a shell "
				"of /etc/shells",
	    } },
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
server_name(enum server_kind kind)
{
	return servers[kind].name;
}

const char *
server_place(enum server_kind kind)
{
	return servers[kind].place;
}

const char *
server_setting(enum server_kind kind, enum server_topic topic)
{
	return servers[kind].settings[topic];
}
