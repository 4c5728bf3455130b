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

/* What an option takes, and where that goes in struct options. */
enum kind {
	FLAG,	 /* nothing: a bool */
	TEXT,	 /* anything: const char * */
	COUNT,	 /* a number from low to high: uint64_t */
	SIZE,	 /* bytes from low to high: uint64_t */
	SECONDS, /* from low to high: uint64_t, milliseconds */
	EITHER,	 /* one of two words: a bool, true for the second */
	ADDRESS, /* of a host: struct addr */
	OWN,	 /* what take says */
	IS_HELP,
	IS_VERSION,
};

typedef enum options_result take_cb(struct options *options, const char *option,
    const char *text);

struct kind_of_option {
	const char *name;
	enum kind kind;
	size_t at;
	uint64_t low;
	uint64_t high;
	const char *words[2];
	take_cb *take;
};

static take_cb add_allow, take_server_mode, take_far_address, take_client_ports,
    take_retry;

#define AT(field) offsetof(struct options, field)

#define IS(option, what, field)                                   \
	{                                                         \
		.name = (option), .kind = (what), .at = AT(field) \
	}
#define FROM_TO(option, what, field, least, most)                  \
	{                                                          \
		.name = (option), .kind = (what), .at = AT(field), \
		.low = (least), .high = (most)                     \
	}
#define ONE_OF(option, field, no, yes)                                        \
	{                                                                     \
		.name = (option), .kind = EITHER, .at = AT(field), .words = { \
			(no),                                                 \
			(yes)                                                 \
		}                                                             \
	}
#define BY(option, taker)                                      \
	{                                                      \
		.name = (option), .kind = OWN, .take = (taker) \
	}

static const struct kind_of_option long_ones[] = {
	BY("allow", add_allow),
	IS("allow-tls", FLAG, allow_tls),
	IS("any-user", FLAG, any_user),
	IS("batch", FLAG, batch),
	IS("client-address", ADDRESS, client_address),
	ONE_OF("client-data-host", client_data_host_control, "command",
	    "control"),
	BY("client-ports", take_client_ports),
	FROM_TO("drain", SECONDS, drain_ms, 0, 1000000),
	BY("far-address", take_far_address),
	ONE_OF("foreign-port", pass_foreign_port, "refuse", "pass"),
	{ .name = "help", .kind = IS_HELP },
	FROM_TO("idle-exit", SECONDS, idle_exit_ms, 0, 1000000),
	FROM_TO("keepalive", SECONDS, keepalive_ms, 0, 1000000),
	FROM_TO("link-wait", SECONDS, link_wait_ms, 0, 3600),
	FROM_TO("links", COUNT, links, 1, LIMIT_LINKS),
	FROM_TO("login-timeout", SECONDS, login_ms, 0, 1000000),
	FROM_TO("max-data", COUNT, max_data, 1, LIMIT_SESSION_DATA),
	FROM_TO("max-lines", COUNT, max_lines, 0, 1000000),
	FROM_TO("max-logins", COUNT, max_logins, 0, 100000),
	FROM_TO("max-memory", SIZE, max_memory, 8 << 20, 64ULL << 30),
	FROM_TO("max-per-address", COUNT, max_per_address, 0, 100000),
	FROM_TO("max-sessions", COUNT, max_sessions, 1, 100000),
	FROM_TO("max-window", SIZE, max_window, LIMIT_WINDOW_SMALL, 1 << 30),
	IS("no-cipher-order", FLAG, no_cipher_order),
	IS("no-confine", FLAG, no_confine),
	IS("no-session", FLAG, no_session),
	IS("on-demand", FLAG, on_demand),
	IS("prefetch", FLAG, prefetch),
	BY("retry", take_retry),
	ONE_OF("server-data-host", server_data_host_reply, "control", "reply"),
	BY("server-mode", take_server_mode),
	IS("ssh", TEXT, ssh),
	IS("user", TEXT, user),
	{ .name = "version", .kind = IS_VERSION },
};

#define N_LONG (sizeof(long_ones) / sizeof(long_ones[0]))

/* What getopt_long() returns for the first of them. */
#define FIRST_LONG 256

/* ssh's own letters first; the colon in front: errors are ours to tell. */
static const char short_options[] = ":46F:i:J:l:p:o:c:vqL:R:h";
static const char for_ssh[] = "46FiJlpocv";

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

/* Sets *ret to the place of text among the n words. */
static enum options_result
choose(struct options *options, const char *option, const char *text,
    const char *const *words, size_t n, size_t *ret)
{
	char expected[80] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return OPTIONS_RUN;
		}
		len += (size_t)snprintf(expected + len, sizeof(expected) - len,
		    "%s\"%s\"", i > 0 ? " or " : "", words[i]);
	}
	return bad(options, "--%s %s: expected %s", option, text, expected);
}

static enum options_result
take_server_mode(struct options *options, const char *option, const char *text)
{
	static const char *const modes[] = {
		[OPTIONS_SAME] = "same",
		[OPTIONS_PASSIVE] = "passive",
		[OPTIONS_ACTIVE] = "active",
	};
	size_t n = 0;
	enum options_result result = choose(options, option, text, modes,
	    sizeof(modes) / sizeof(modes[0]), &n);

	options->server_mode = (enum options_mode)n;
	return result;
}

static enum options_result
take_retry(struct options *options, const char *option, const char *text)
{
	uint64_t n = OPTIONS_RETRY_FOREVER;

	if (strcmp(text, "never") == 0)
		n = 0;
	else if (strcmp(text, "forever") != 0 &&
	    num_parse_text(text, OPTIONS_RETRY_FOREVER - 1, &n) != 0)
		return bad(options,
		    "--%s %s: expected a number, \"forever\" or \"never\"",
		    option, text);
	options->retry = (uint32_t)n;
	options->retry_given = true;
	return OPTIONS_RUN;
}

/* COUNT, SIZE and SECONDS. */
static enum options_result
take_number(struct options *options, const struct kind_of_option *kind,
    const char *text, uint64_t *ret)
{
	uint64_t n;
	int err = kind->kind == SIZE ? num_parse_size(text, kind->high, &n) :
				       num_parse_text(text, kind->high, &n);

	if (err == 0 && n >= kind->low) {
		*ret = kind->kind == SECONDS ? 1000 * n : n;
		return OPTIONS_RUN;
	}
	if (kind->kind == SIZE)
		return bad(options,
		    "--%s %s: expected a size like 64M, from %" PRIu64
		    "K to %" PRIu64 "M",
		    kind->name, text, kind->low >> 10, kind->high >> 20);
	return bad(options, "--%s %s: expected %s from %" PRIu64 " to %" PRIu64,
	    kind->name, text, kind->kind == SECONDS ? "seconds" : "a number",
	    kind->low, kind->high);
}

static enum options_result
add_allow(struct options *options, const char *option, const char *text)
{
	struct subnet subnet, *grown;

	if (subnet_parse(text, &subnet) != 0)
		return bad(options,
		    "--%s %s: expected an address, or a network like "
		    "192.0.2.0/24 or 2001:db8::/32; 0.0.0.0/0 and ::/0 are "
		    "everybody",
		    option, text);
	/* Somebody means everybody and would let in nobody. */
	if (addr_is_any(&subnet.addr) && strchr(text, '/') == NULL)
		return bad(options,
		    "--%s %s: no client has that address; %s/0 is "
		    "everybody",
		    option, text, text);
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
		    "--%s %s: expected an IPv4 or IPv6 address, not a name",
		    option, text);
	if (addr_is_any(&addr))
		return bad(options, "--%s %s: that is no host's address",
		    option, text);
	*ret = addr;
	return OPTIONS_RUN;
}

static enum options_result
take_far_address(struct options *options, const char *option, const char *text)
{
	struct addr far;

	options->far_address = text;
	return take_address(options, option, text, &far);
}

static enum options_result
take_client_ports(struct options *options, const char *option, const char *text)
{
	const char *dash = strchr(text, '-');
	size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);
	uint64_t low, high;

	if (num_parse(text, len, 65535, &low) != 0 || low == 0 ||
	    num_parse_text(dash != NULL ? dash + 1 : text, 65535, &high) != 0)
		return bad(options,
		    "--%s %s: expected LOW-HIGH, two ports from 1 "
		    "to 65535",
		    option, text);
	if (low > high)
		return bad(options, "--%s %s: the first port is above the last",
		    option, text);
	options->client_ports_low = (uint16_t)low;
	options->client_ports_high = (uint16_t)high;
	return OPTIONS_RUN;
}

static enum options_result
take_long(struct options *options, const struct kind_of_option *kind)
{
	void *at = (char *)options + kind->at;
	enum options_result result = OPTIONS_RUN;
	size_t n = 0;

	switch (kind->kind) {
	case FLAG:
		*(bool *)at = true;
		break;
	case TEXT:
		*(const char **)at = optarg;
		break;
	case COUNT:
	case SIZE:
	case SECONDS:
		return take_number(options, kind, optarg, at);
	case EITHER:
		result =
		    choose(options, kind->name, optarg, kind->words, 2, &n);
		*(bool *)at = n == 1;
		break;
	case ADDRESS:
		return take_address(options, kind->name, optarg, at);
	case OWN:
		return kind->take(options, kind->name, optarg);
	case IS_HELP:
		return OPTIONS_HELP;
	case IS_VERSION:
		return OPTIONS_VERSION;
	}
	return result;
}

static enum options_result
take(struct options *options, int letter, char **argv)
{
	if (letter >= FIRST_LONG)
		return take_long(options, &long_ones[letter - FIRST_LONG]);
	if (strchr(for_ssh, letter) != NULL)
		add_for_ssh(options, letter);
	switch (letter) {
	case 'L':
	case 'R':
		return add_forward(options, letter, optarg);
	case 'q':
		options->quiet = true;
		break;
	case 'v':
		options->verbose++;
		break;
	case 'h':
		return OPTIONS_HELP;
	case ':':
	case '?':
		return bad_option(options, argv[optind - 1], letter == ':');
	default: /* one of ssh's */
		break;
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
		return add_forward(options, 'L', OPTIONS_DEFAULT_FORWARD);
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
	if (n_remote > 0 && options->on_demand)
		return bad(options,
		    "--on-demand connects when a client comes, and those of "
		    "-R come by the SSH connection; it takes -L only");
	if (n_remote > 0 && n_remote < options->n_forwards &&
	    options->client_address.family != AF_UNSPEC)
		return bad(options,
		    "--client-address cannot be right for the clients of -L "
		    "and of -R at once; run culvert twice, or give -R an "
		    "address to listen on");
	return OPTIONS_RUN;
}

static void
set_defaults(struct options *options)
{
	*options = (struct options) {
		.ssh = "ssh",
		.max_sessions = LIMIT_SESSIONS,
		.max_data = LIMIT_SESSION_DATA,
		.max_lines = LIMIT_LINES,
		.login_ms = LIMIT_LOGIN_MS,
		.links = 1,
		.max_window = LIMIT_WINDOW_MAX,
		.max_memory = LIMIT_MEMORY,
		.retry = OPTIONS_RETRY_FOREVER,
		.link_wait_ms = LIMIT_LINK_WAIT_MS,
		.idle_exit_ms = LIMIT_IDLE_EXIT_MS,
	};
}

/* As getopt_long() wants them. */
static void
list_long(struct option list[N_LONG + 1])
{
	memset(list, 0, (N_LONG + 1) * sizeof(*list));
	for (size_t i = 0; i < N_LONG; i++) {
		enum kind kind = long_ones[i].kind;

		list[i].name = long_ones[i].name;
		list[i].has_arg =
		    kind == FLAG || kind == IS_HELP || kind == IS_VERSION ?
		    no_argument :
		    required_argument;
		list[i].val = FIRST_LONG + (int)i;
	}
}

enum options_result
options_parse(int argc, char **argv, struct options *ret)
{
	struct option list[N_LONG + 1];
	enum options_result result;
	int letter;

	set_defaults(ret);
	list_long(list);
	/* A cluster like -vv46 yields an argument a letter. */
	ret->ssh_arguments = calloc(2, sizeof(char *));
	if (ret->ssh_arguments == NULL)
		return bad(ret, "out of memory");
	optind = 0;
	while ((letter = getopt_long(argc, argv, short_options, list, NULL)) !=
	    -1) {
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
