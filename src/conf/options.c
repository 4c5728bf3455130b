/*
 * The command line.
 */
#include "conf/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "limits.h"

/* Where people expect an FTP server, and where they have no root. */
#define DEFAULT_FORWARD "2121:localhost:21"

/* Options without a letter. */
enum {
	OPTION_SSH = 256,
	OPTION_BATCH,
	OPTION_FOREIGN_PORT,
	OPTION_ALLOW_TLS,
	OPTION_ANY_USER,
	OPTION_MAX_SESSIONS,
	OPTION_ALLOW,
	OPTION_SERVER_MODE,
	OPTION_FAR_ADDRESS,
	OPTION_CLIENT_ADDRESS,
	OPTION_CLIENT_PORTS,
	OPTION_SERVER_DATA_HOST,
	OPTION_CLIENT_DATA_HOST,
	OPTION_LINKS,
	OPTION_MAX_WINDOW,
	OPTION_MAX_MEMORY,
	OPTION_PREFETCH,
	OPTION_NO_CIPHER_ORDER,
	OPTION_NO_SESSION,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "ssh", required_argument, NULL, OPTION_SSH },
	{ "batch", no_argument, NULL, OPTION_BATCH },
	{ "foreign-port", required_argument, NULL, OPTION_FOREIGN_PORT },
	{ "allow-tls", no_argument, NULL, OPTION_ALLOW_TLS },
	{ "any-user", no_argument, NULL, OPTION_ANY_USER },
	{ "max-sessions", required_argument, NULL, OPTION_MAX_SESSIONS },
	{ "allow", required_argument, NULL, OPTION_ALLOW },
	{ "server-mode", required_argument, NULL, OPTION_SERVER_MODE },
	{ "far-address", required_argument, NULL, OPTION_FAR_ADDRESS },
	{ "client-address", required_argument, NULL, OPTION_CLIENT_ADDRESS },
	{ "client-ports", required_argument, NULL, OPTION_CLIENT_PORTS },
	{ "server-data-host", required_argument, NULL,
	    OPTION_SERVER_DATA_HOST },
	{ "client-data-host", required_argument, NULL,
	    OPTION_CLIENT_DATA_HOST },
	{ "links", required_argument, NULL, OPTION_LINKS },
	{ "max-window", required_argument, NULL, OPTION_MAX_WINDOW },
	{ "max-memory", required_argument, NULL, OPTION_MAX_MEMORY },
	{ "prefetch", no_argument, NULL, OPTION_PREFETCH },
	{ "no-cipher-order", no_argument, NULL, OPTION_NO_CIPHER_ORDER },
	{ "no-session", no_argument, NULL, OPTION_NO_SESSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* ssh's own letters first; the colon in front: errors are ours to tell. */
static const char short_options[] = ":46F:i:J:l:p:o:c:vqL:R:h";
static const char for_ssh[] = "46FiJlpocv";

static const char help[] =
    "usage: culvert [options] [-L|-R [bind:]port:host:hostport]... destination\n"
    "\n"
    "Carries FTP through SSH: connects to destination with ssh, listens, and lets any\n"
    "FTP client work in active and passive mode against the FTP server at\n"
    "host:hostport.\n"
    "\n"
    "  -L [ftp/][bind_address:]port:host:hostport\n"
    "                    listen here, for that FTP server as the SSH server sees it;\n"
    "                    repeatable (default " DEFAULT_FORWARD
    "; port 0: a free one;\n"
    "                    bind *: all addresses)\n"
    "  -R [ftp/][bind_address:]port:host:hostport\n"
    "                    the other way round: the SSH server listens, for that FTP\n"
    "                    server as this host sees it; repeatable, also beside -L\n"
    "  -F -i -J -l -p -o -c -4 -6\n"
    "                    as in ssh(1), handed to it; ~/.ssh/config counts\n"
    "      --ssh PROGRAM use this ssh\n"
    "      --batch       never ask for passwords or host keys\n"
    "\n"
    "Who may connect, and where data connections go:\n"
    "      --allow FROM  FTP clients of this address or network (192.0.2.0/24) may\n"
    "                    connect; repeatable; needed to listen beyond loopback\n"
    "      --any-user    on loopback take data connections of any local user\n"
    "      --max-sessions N\n"
    "                    at most N control connections at a time (default 256)\n"
    "      --foreign-port refuse|pass\n"
    "                    PORT to another host or below 1024: refuse it (default), or\n"
    "                    hand it to the server untouched, outside of SSH\n"
    "      --client-data-host command|control\n"
    "                    the client's data connections: to the address in PORT, if\n"
    "                    it is the client's own (default), or always to the client's\n"
    "      --server-data-host control|reply\n"
    "                    the server's: to its control connection's host (default), or\n"
    "                    to the address in its reply to PASV\n"
    "      --allow-tls   let AUTH TLS through; data connections then do not use SSH\n"
    "\n"
    "Clients and servers that cannot be reached as they are:\n"
    "      --server-mode same|passive|active\n"
    "                    mode toward the server: the client's, and the other one\n"
    "                    where that fails (default), or always this one\n"
    "      --client-address ADDR\n"
    "                    tell clients this address in replies to PASV (NAT)\n"
    "      --client-ports LOW-HIGH\n"
    "                    listen on these ports for data connections of -L's clients\n"
    "      --far-address ADDR\n"
    "                    the SSH server's address for data connections of -L's FTP\n"
    "                    servers on other hosts (GatewayPorts)\n"
    "\n"
    "Speed:\n"
    "      --links N     up to N SSH connections, opened when parallel transfers can\n"
    "                    use them (default 1, at most 16)\n"
    "      --prefetch    ask the server for the next passive port before the client\n"
    "                    does\n"
    "      --max-window SIZE, --max-memory SIZE\n"
    "                    let the receive window of a channel grow up to SIZE (default\n"
    "                    64M), all of them together up to SIZE (default 256M)\n"
    "      --no-cipher-order\n"
    "                    leave ssh's default order of ciphers as it is; else AES-GCM\n"
    "                    is asked for first where the CPU has AES\n"
    "      --no-session  do not start sftp on the SSH server, which ends at once and\n"
    "                    turns Nagle's algorithm off\n"
    "\n"
    "  -q                only errors\n"
    "  -v                more words, of ssh too; again for the FTP commands\n"
    "      --help, --version\n"
    "\n"
    "Then point the FTP client at the address in the line \"culvert: listening on\".\n"
    "Exit status: 0 stopped by a signal, 1 failed, 2 bad usage,\n"
    "255 ssh could not connect.\n";

static enum options_result bad(struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum options_result
bad(struct options *options, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(options->why, sizeof(options->why), format, args);
	va_end(args);
	return OPTIONS_BAD;
}

static enum options_result
add_forward(struct options *options, int letter, const char *spec)
{
	struct forward *forward = &options->forwards[options->n_forwards];
	char why[160];

	if (options->n_forwards == OPTIONS_FORWARDS_MAX)
		return bad(options, "more than %d times -L and -R",
		    OPTIONS_FORWARDS_MAX);
	if (forward_parse(spec, forward, why, sizeof(why)) != 0)
		return bad(options, "-%c %s: %s", letter, spec, why);
	forward->remote = letter == 'R';
	options->n_forwards++;
	return OPTIONS_RUN;
}

/* Names the option that getopt complains of: a letter may stand in a cluster,
 * and then the word itself tells nothing. */
static enum options_result
bad_option(struct options *options, const char *word, bool known)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (optopt > 0 && optopt < 256)
		word = letter;
	if (known)
		return bad(options, "%s needs a value", word);
	return bad(options, "unknown option %s", word);
}

/* Hands one option of ssh's on: "-x", and its value when it takes one. */
static void
add_for_ssh(struct options *options, int letter)
{
	static const char *const words[] = { "-4", "-6", "-F", "-i", "-J", "-l",
		"-p", "-o", "-c", "-v" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i][1] == letter)
			options->ssh_arguments[options->n_ssh_arguments++] =
			    words[i];
	if (optarg != NULL)
		options->ssh_arguments[options->n_ssh_arguments++] = optarg;
}

/* Sets *ret to the place of text among the words, which end in NULL. */
static enum options_result
choose(struct options *options, const char *option, const char *text,
    const char *const *words, unsigned *ret)
{
	char expected[80] = "";
	size_t len = 0;

	for (unsigned i = 0; words[i] != NULL; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return OPTIONS_RUN;
		}
		len += (size_t)snprintf(expected + len, sizeof(expected) - len,
		    "%s\"%s\"", i > 0 ? " or " : "", words[i]);
	}
	return bad(options, "%s %s: expected %s", option, text, expected);
}

static enum options_result
take_choice(struct options *options, int option, const char *text)
{
	static const char *const port[] = { "refuse", "pass", NULL };
	static const char *const mode[] = {
		[OPTIONS_SAME] = "same",
		[OPTIONS_PASSIVE] = "passive",
		[OPTIONS_ACTIVE] = "active",
		NULL,
	};
	static const char *const server[] = { "control", "reply", NULL };
	static const char *const client[] = { "command", "control", NULL };
	enum options_result result;
	unsigned n = 0;

	if (option == OPTION_FOREIGN_PORT) {
		result = choose(options, "--foreign-port", text, port, &n);
		options->pass_foreign_port = n == 1;
	} else if (option == OPTION_SERVER_MODE) {
		result = choose(options, "--server-mode", text, mode, &n);
		options->server_mode = (enum options_mode)n;
	} else if (option == OPTION_SERVER_DATA_HOST) {
		result =
		    choose(options, "--server-data-host", text, server, &n);
		options->server_data_host_reply = n == 1;
	} else {
		result =
		    choose(options, "--client-data-host", text, client, &n);
		options->client_data_host_control = n == 1;
	}
	return result;
}

static enum options_result
take_links(struct options *options, const char *text)
{
	uint64_t n;

	if (num_parse_text(text, LIMIT_LINKS, &n) != 0 || n == 0)
		return bad(options,
		    "--links %s: expected a number from 1 to %d", text,
		    LIMIT_LINKS);
	options->links = (size_t)n;
	return OPTIONS_RUN;
}

static enum options_result
take_size(struct options *options, const char *option, const char *text,
    uint64_t low, uint64_t high, uint64_t *ret)
{
	uint64_t n;

	if (num_parse_size(text, high, &n) != 0 || n < low)
		return bad(options,
		    "%s %s: expected a size like 64M, from %" PRIu64
		    "K to %" PRIu64 "M",
		    option, text, low >> 10, high >> 20);
	*ret = n;
	return OPTIONS_RUN;
}

static enum options_result
take_max_sessions(struct options *options, const char *text)
{
	uint64_t n;

	if (num_parse_text(text, 100000, &n) != 0 || n == 0)
		return bad(options,
		    "--max-sessions %s: expected a number from 1 to 100000",
		    text);
	options->max_sessions = (size_t)n;
	return OPTIONS_RUN;
}

static enum options_result
add_allow(struct options *options, const char *text)
{
	struct subnet subnet, *grown;

	if (subnet_parse(text, &subnet) != 0)
		return bad(options,
		    "--allow %s: expected an address, or a network like "
		    "192.0.2.0/24 or 2001:db8::/32; 0.0.0.0/0 and ::/0 are "
		    "everybody",
		    text);
	/* Somebody means everybody and would let in nobody. */
	if (addr_is_any(&subnet.addr) && strchr(text, '/') == NULL)
		return bad(options,
		    "--allow %s: no client has that address; %s/0 is "
		    "everybody",
		    text, text);
	grown =
	    realloc(options->allow, (options->n_allow + 1) * sizeof(*grown));
	if (grown == NULL)
		return bad(options, "out of memory");
	options->allow = grown;
	options->allow[options->n_allow++] = subnet;
	return OPTIONS_RUN;
}

/* The address of a host as others see it. */
static enum options_result
take_address(struct options *options, const char *option, const char *text,
    struct addr *ret)
{
	struct addr addr;

	/* A scope says something on one host only (RFC 4007 section 11). */
	if (addr_parse_ip(text, &addr) != 0 || addr.scope != 0)
		return bad(options,
		    "%s %s: expected an IPv4 or IPv6 address, not a name",
		    option, text);
	if (addr_is_any(&addr))
		return bad(options, "%s %s: that is no host's address", option,
		    text);
	*ret = addr;
	return OPTIONS_RUN;
}

static enum options_result
take_client_ports(struct options *options, const char *text)
{
	const char *dash = strchr(text, '-');
	size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);
	uint64_t low, high;

	if (num_parse(text, len, 65535, &low) != 0 || low == 0 ||
	    num_parse_text(dash != NULL ? dash + 1 : text, 65535, &high) != 0)
		return bad(options,
		    "--client-ports %s: expected LOW-HIGH, two ports from 1 "
		    "to 65535",
		    text);
	if (low > high)
		return bad(options,
		    "--client-ports %s: the first port is above the last",
		    text);
	options->client_ports_low = (uint16_t)low;
	options->client_ports_high = (uint16_t)high;
	return OPTIONS_RUN;
}

/* Options whose value has to be understood. */
static enum options_result
take_value(struct options *options, int option, const char *text)
{
	enum options_result result;
	struct addr far;

	switch (option) {
	case 'L':
	case 'R':
		return add_forward(options, option, text);
	case OPTION_MAX_SESSIONS:
		return take_max_sessions(options, text);
	case OPTION_ALLOW:
		return add_allow(options, text);
	case OPTION_CLIENT_ADDRESS:
		return take_address(options, "--client-address", text,
		    &options->client_address);
	case OPTION_FAR_ADDRESS:
		result = take_address(options, "--far-address", text, &far);
		options->far_address = text;
		return result;
	case OPTION_CLIENT_PORTS:
		return take_client_ports(options, text);
	case OPTION_LINKS:
		return take_links(options, text);
	case OPTION_MAX_WINDOW:
		return take_size(options, "--max-window", text,
		    LIMIT_WINDOW_SMALL, 1 << 30, &options->max_window);
	case OPTION_MAX_MEMORY:
		return take_size(options, "--max-memory", text, 8 << 20,
		    64ULL << 30, &options->max_memory);
	default:
		return take_choice(options, option, text);
	}
}

static enum options_result
take(struct options *options, int letter, char **argv)
{
	if (letter < 256 && strchr(for_ssh, letter) != NULL)
		add_for_ssh(options, letter);
	switch (letter) {
	case 'q':
		options->quiet = true;
		break;
	case 'v':
		options->verbose++;
		break;
	case OPTION_SSH:
		options->ssh = optarg;
		break;
	case OPTION_BATCH:
		options->batch = true;
		break;
	case OPTION_ALLOW_TLS:
		options->allow_tls = true;
		break;
	case OPTION_ANY_USER:
		options->any_user = true;
		break;
	case OPTION_PREFETCH:
		options->prefetch = true;
		break;
	case OPTION_NO_CIPHER_ORDER:
		options->no_cipher_order = true;
		break;
	case OPTION_NO_SESSION:
		options->no_session = true;
		break;
	case 'h':
	case OPTION_HELP:
		return OPTIONS_HELP;
	case OPTION_VERSION:
		return OPTIONS_VERSION;
	case ':':
	case '?':
		return bad_option(options, argv[optind - 1], letter == ':');
	default:
		if (letter < 256 && strchr(for_ssh, letter) != NULL)
			break;
		return take_value(options, letter, optarg);
	}
	return OPTIONS_RUN;
}

/* Where the host begins in [user@]host and ssh://[user@]host[:port]. */
static const char *
host_of(const char *destination)
{
	static const char scheme[] = "ssh://";
	const char *at = strrchr(destination, '@');

	if (at != NULL)
		return at + 1;
	if (strncmp(destination, scheme, strlen(scheme)) == 0)
		return destination + strlen(scheme);
	return destination;
}

static enum options_result
take_destination(struct options *options, int argc, char **argv)
{
	if (optind >= argc)
		return bad(options, "no destination: [user@]host, as for ssh");
	if (argc - optind > 1)
		return bad(options,
		    "one destination only; \"%s\" is one too many (culvert "
		    "runs no remote command)",
		    argv[optind + 1]);
	options->destination = argv[optind];
	if (options->destination[0] == '-' ||
	    host_of(options->destination)[0] == '-')
		return bad(options,
		    "the destination \"%s\": a host must not begin with \"-\"",
		    options->destination);
	if (options->destination[0] == '\0')
		return bad(options, "the destination is empty");
	return OPTIONS_RUN;
}

/* Options that would do nothing, or something wrong, beside these -L and -R. */
static enum options_result
check(struct options *options)
{
	size_t n_remote = 0;

	if (options->n_forwards == 0)
		return add_forward(options, 'L', DEFAULT_FORWARD);
	for (size_t i = 0; i < options->n_forwards; i++)
		n_remote += options->forwards[i].remote;
	if (n_remote == options->n_forwards && options->client_ports_low != 0)
		return bad(options,
		    "--client-ports is about ports of this host, where -R "
		    "does not listen; it takes a -L");
	if (n_remote == options->n_forwards && options->far_address != NULL)
		return bad(options,
		    "--far-address is about FTP servers beyond the SSH "
		    "server; with -R they are on this side, it takes a -L");
	if (n_remote > 0 && n_remote < options->n_forwards &&
	    options->client_address.family != AF_UNSPEC)
		return bad(options,
		    "--client-address cannot be right for the clients of -L "
		    "and of -R at once; run culvert twice, or give -R an "
		    "address to listen on");
	return OPTIONS_RUN;
}

enum options_result
options_parse(int argc, char **argv, struct options *ret)
{
	enum options_result result;
	int letter;

	memset(ret, 0, sizeof(*ret));
	ret->ssh = "ssh";
	ret->max_sessions = LIMIT_SESSIONS;
	ret->links = 1;
	ret->max_window = LIMIT_WINDOW_MAX;
	ret->max_memory = LIMIT_MEMORY;
	/* A cluster like -vv46 yields an argument a letter. */
	ret->ssh_arguments = calloc(2, sizeof(char *));
	if (ret->ssh_arguments == NULL)
		return bad(ret, "out of memory");
	optind = 0;
	while ((letter = getopt_long(argc, argv, short_options, long_options,
		    NULL)) != -1) {
		const char **grown = realloc(ret->ssh_arguments,
		    (ret->n_ssh_arguments + 4) * sizeof(char *));

		if (grown == NULL)
			return bad(ret, "out of memory");
		ret->ssh_arguments = grown;
		result = take(ret, letter, argv);
		if (result != OPTIONS_RUN)
			return result;
	}
	result = take_destination(ret, argc, argv);
	return result == OPTIONS_RUN ? check(ret) : result;
}

void
options_free(struct options *options)
{
	free(options->ssh_arguments);
	options->ssh_arguments = NULL;
	free(options->allow);
	options->allow = NULL;
}

const char *
options_help(void)
{
	return help;
}
