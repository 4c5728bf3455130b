/*
 * The table of options, and how their values are read.
 */
#include "conf/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/account.h"
#include "base/charset.h"
#include "base/num.h"
#include "limits.h"

static option_take_cb take_destination, option_add_forward, add_allow, add_host,
    add_verb, add_path, take_capture, take_server_mode, take_far_address,
    take_charset, take_client_ports, take_metrics, take_newline, take_retry,
    take_survive, take_verbose;

/* Bytes per second.  With a lower rate than RATE_LEAST, pauses in transfers
 * would be longer than clients and servers wait. */
#define RATE_LEAST 1024
#define RATE_MOST (64ULL << 30)

#define AT(field) .at = offsetof(struct options, field)
#define TEXT(field) .kind = OPTION_TEXT, AT(field)
#define ADDRESS(field) .kind = OPTION_ADDRESS, AT(field)
#define NUMBER(what, field, least, most) \
	.kind = (what), AT(field), .low = (least), .high = (most)
#define COUNT(field, least, most) NUMBER(OPTION_COUNT, field, least, most)
#define SIZE(field, least, most) NUMBER(OPTION_SIZE, field, least, most)
#define SECONDS(field, most) NUMBER(OPTION_SECONDS, field, 0, most)
#define EITHER(field, no, yes) \
	.kind = OPTION_EITHER, AT(field), .words = { (no), (yes) }
#define FLAG(field) EITHER(field, "no", "yes"), .bare = true
#define OWN(taker) .kind = OPTION_OWN, .take = (taker)
#define SSH(letter) .kind = OPTION_SSH, .words = { (letter) }
#define SSH_WORD(letter) SSH(letter), .one_word = true

#define TUNNEL(option, ...)                                           \
	{                                                             \
		.name = (option), .scope = OPTION_TUNNEL, __VA_ARGS__ \
	}
#define LINK(option, ...)                                           \
	{                                                           \
		.name = (option), .scope = OPTION_LINK, __VA_ARGS__ \
	}
#define PROCESS(option, ...)                                           \
	{                                                              \
		.name = (option), .scope = OPTION_PROCESS, __VA_ARGS__ \
	}

static const struct option_entry table[] = {
	/* First, so that culvert config prints it first. */
	LINK("destination", OWN(take_destination), .file_only = true),

	/* Before L, whose value depends on it. */
	TUNNEL("capture", OWN(take_capture), .file_only = true),
	TUNNEL("L", OWN(option_add_forward), .repeat = true),
	TUNNEL("R", OWN(option_add_forward), .repeat = true),
	TUNNEL("allow", OWN(add_allow), .repeat = true),
	TUNNEL("allow-path", OWN(add_path), AT(allow_path), .repeat = true),
	TUNNEL("allow-tls", FLAG(allow_tls)),
	TUNNEL("any-user", FLAG(any_user)),
	TUNNEL("client-charset", OWN(take_charset)),
	TUNNEL("client-address", ADDRESS(client_address)),
	TUNNEL("client-data-host",
	    EITHER(client_data_host_control, "command", "control")),
	TUNNEL("client-ports", OWN(take_client_ports)),
	TUNNEL("deny", OWN(add_verb), AT(deny), .repeat = true),
	TUNNEL("deny-path", OWN(add_path), AT(deny_path), .repeat = true),
	TUNNEL("far-address", OWN(take_far_address)),
	TUNNEL("foreign-port", EITHER(pass_foreign_port, "refuse", "pass")),
	TUNNEL("fsync", FLAG(sftp.fsync)),
	TUNNEL("keepalive", SECONDS(keepalive_ms, 1000000)),
	TUNNEL("link-wait", SECONDS(link_wait_ms, 3600)),
	TUNNEL("login-file", TEXT(sftp.login_file)),
	TUNNEL("login-timeout", SECONDS(login_ms, 1000000)),
	TUNNEL("max-data", COUNT(max_data, 1, LIMIT_SESSION_DATA)),
	TUNNEL("max-lines", COUNT(max_lines, 0, 1000000)),
	TUNNEL("no-concurrent-writes", FLAG(sftp.no_concurrent_writes)),
	TUNNEL("no-setstat", FLAG(sftp.no_setstat)),
	TUNNEL("rate", SIZE(rate, RATE_LEAST, RATE_MOST)),
	TUNNEL("read-only", FLAG(read_only)),
	TUNNEL("remote-newline", OWN(take_newline), .words = { "lf" }),
	TUNNEL("server-data-host",
	    EITHER(server_data_host_reply, "control", "reply")),
	TUNNEL("server-mode", OWN(take_server_mode), .words = { "same" }),
	TUNNEL("session-rate", SIZE(session_rate, RATE_LEAST, RATE_MOST)),
	TUNNEL("sftp-channels", COUNT(sftp.channels, 1, LIMIT_SFTP_CHANNELS)),
	TUNNEL("sftp-max-packet", SIZE(sftp.max_packet, 1024, 256 << 10)),
	TUNNEL("sftp-requests", COUNT(sftp.requests, 1, LIMIT_SFTP_READS)),
	TUNNEL("survive", OWN(take_survive)),
	TUNNEL("survive-memory", SIZE(survive_memory, 1 << 20, 64ULL << 30)),
	TUNNEL("upload", EITHER(sftp.in_place, "atomic", "in-place")),

	LINK("4", SSH("-4"), .bare = true),
	LINK("6", SSH("-6"), .bare = true),
	LINK("F", SSH("-F")),
	LINK("i", SSH("-i"), .repeat = true),
	LINK("J", SSH_WORD("-J")),
	LINK("l", SSH_WORD("-l")),
	LINK("p", SSH_WORD("-p")),
	LINK("o", SSH("-o"), .repeat = true),
	LINK("c", SSH_WORD("-c")),
	LINK("batch", FLAG(batch)),
	LINK("idle-exit", SECONDS(idle_exit_ms, 1000000)),
	LINK("login", EITHER(login.ssh, "shared", "ssh")),
	LINK("login-hosts", OWN(add_host), .repeat = true),
	LINK("links", COUNT(links, 1, LIMIT_LINKS)),
	LINK("no-cipher-order", FLAG(no_cipher_order)),
	LINK("no-session", FLAG(no_session)),
	LINK("on-demand", FLAG(on_demand)),
	LINK("retry", OWN(take_retry), .words = { "forever" }),
	LINK("ssh", TEXT(ssh)),

	PROCESS("drain", SECONDS(drain_ms, 1000000)),
	PROCESS("max-logins", COUNT(max_logins, 0, 100000)),
	PROCESS("max-memory", SIZE(max_memory, 8 << 20, 64ULL << 30)),
	PROCESS("max-per-address", COUNT(max_per_address, 0, 100000)),
	PROCESS("max-sessions", COUNT(max_sessions, 1, 100000)),
	PROCESS("max-window", SIZE(max_window, LIMIT_WINDOW_SMALL, 1 << 30)),
	PROCESS("metrics", OWN(take_metrics)),
	PROCESS("no-confine", FLAG(no_confine)),
	PROCESS("q", FLAG(quiet)),
	PROCESS("transfer-log", TEXT(transfer_log)),
	PROCESS("transfer-log-format",
	    EITHER(transfer_xferlog, "json", "xferlog")),
	PROCESS("user", TEXT(user)),
	PROCESS("v", OWN(take_verbose), .bare = true, .repeat = true),
};

#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

const struct option_entry *
option_at(size_t n)
{
	return n < N_OPTIONS ? &table[n] : NULL;
}

const struct option_entry *
option_find(const char *name)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* ---- values ---- */

int
option_refuse(char *why, size_t why_size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	return -EINVAL;
}

static int
take_destination(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	options->destination = text;
	return options_check_destination(text, why, why_size);
}

/* It is made here only to see whether that is possible. */
static int
take_charset(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	struct charset *charset = charset_new(text);

	if (charset == NULL)
		return option_refuse(why, why_size,
		    "libc has no such character set, or it does not contain "
		    "ASCII; iconv -l lists them");
	charset_free(charset);
	options->sftp.charset = text;
	return 0;
}

static int
option_add_forward(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	struct forward *forward = &options->forwards[options->n_forwards];

	if (options->n_forwards == OPTIONS_FORWARDS_MAX)
		return option_refuse(why, why_size,
		    "more than %d options -L and -R", OPTIONS_FORWARDS_MAX);
	if (options->capture != OPTIONS_CAPTURE_NOT && option->name[0] == 'R')
		return option_refuse(why, why_size,
		    "\"capture\" is for L: the SSH server cannot tell which "
		    "server a client wants");
	if ((options->capture != OPTIONS_CAPTURE_NOT ?
		    forward_parse_capture :
		    forward_parse)(text, forward, why, why_size) != 0)
		return -EINVAL;
	forward->remote = option->name[0] == 'R';
	if (forward->remote && forward->sftp)
		return option_refuse(why, why_size,
		    "sftp/ is for -L only: culvert listens for FTP clients on "
		    "this host");
	if (forward->remote && forward->socks)
		return option_refuse(why, why_size,
		    "socks/ is for -L only: culvert listens for SOCKS clients "
		    "on this host");
	options->n_forwards++;
	return 0;
}

static int
take_capture(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	if (strcmp(text, "redirect") == 0)
		options->capture = OPTIONS_CAPTURE_REDIRECT;
	else if (strcmp(text, "tproxy") == 0)
		options->capture = OPTIONS_CAPTURE_TPROXY;
	else
		return option_refuse(why, why_size,
		    "expected \"redirect\" or \"tproxy\"");
	return 0;
}

/* Sets *ret to the index of text in the n words. */
static int
option_choose(const char *text, const char *const *words, size_t n, size_t *ret,
    char *why, size_t why_size)
{
	char expected[80] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
		len += (size_t)snprintf(expected + len, sizeof(expected) - len,
		    "%s\"%s\"", i > 0 ? " or " : "", words[i]);
	}
	return option_refuse(why, why_size, "expected %s", expected);
}

static int
take_newline(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	/* In the order of enum newline. */
	static const char *const names[] = { "lf", "crlf", "none" };
	size_t n = 0;
	int err = option_choose(text, names, sizeof(names) / sizeof(names[0]),
	    &n, why, why_size);

	if (err == 0)
		options->sftp.newline = (unsigned)n;
	return err;
}

/* Sets *ret to whether text is the second of the two words. */
static int
take_either(const char *text, const char *const words[2], bool *ret, char *why,
    size_t why_size)
{
	size_t n = 0;
	int err = option_choose(text, words, 2, &n, why, why_size);

	if (err == 0)
		*ret = n == 1;
	return err;
}

static const char *const no_yes[] = { "no", "yes" };

static int
take_for_ssh(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	bool yes = true;
	int err = 0;

	if (option->bare)
		err = take_either(text, no_yes, &yes, why, why_size);
	if (err == 0 && yes)
		err =
		    options_list_add(&options->ssh_arguments, option->words[0]);
	if (err == 0 && !option->bare)
		err = options_list_add(&options->ssh_arguments, text);
	return err;
}

/* The third -v and each further one are also passed to ssh. */
static int
take_verbose(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	bool yes = true;
	int err = take_either(text, no_yes, &yes, why, why_size);

	if (err != 0 || !yes)
		return err;
	options->verbose++;
	return options->verbose < OPTIONS_VERBOSE_SSH ?
	    0 :
	    options_list_add(&options->ssh_arguments, "-v");
}

static int
take_server_mode(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	static const char *const modes[] = {
		[OPTIONS_SAME] = "same",
		[OPTIONS_PASSIVE] = "passive",
		[OPTIONS_ACTIVE] = "active",
	};
	size_t n = 0;
	int err = option_choose(text, modes, sizeof(modes) / sizeof(modes[0]),
	    &n, why, why_size);

	if (err == 0)
		options->server_mode = (enum options_mode)n;
	return err;
}

static int
take_survive(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	uint64_t n;

	if (num_parse_text(text, 86400, &n) != 0)
		return option_refuse(why, why_size,
		    "expected a number of seconds from 0 to 86400");
	options->survive_ms = n * 1000;
	options->survive_given = true;
	return 0;
}

static int
take_retry(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	uint64_t n = OPTIONS_RETRY_FOREVER;

	if (strcmp(text, "never") == 0)
		n = 0;
	else if (strcmp(text, "forever") != 0 &&
	    num_parse_text(text, OPTIONS_RETRY_FOREVER - 1, &n) != 0)
		return option_refuse(why, why_size,
		    "expected a number, \"forever\" or \"never\"");
	options->retry = (uint32_t)n;
	options->retry_given = true;
	return 0;
}

/* Reads the value of an OPTION_COUNT, OPTION_SIZE or OPTION_SECONDS. */
static int
take_number(const struct option_entry *option, const char *text, uint64_t *ret,
    char *why, size_t why_size)
{
	bool size = option->kind == OPTION_SIZE;
	bool seconds = option->kind == OPTION_SECONDS;
	uint64_t n;
	int err = size ? num_parse_size(text, option->high, &n) :
			 num_parse_text(text, option->high, &n);

	if (err == 0 && n >= option->low) {
		*ret = seconds ? 1000 * n : n;
		return 0;
	}
	if (size)
		return option_refuse(why, why_size,
		    "expected a size like 64M, from %" PRIu64 "K to %" PRIu64
		    "%s",
		    option->low >> 10,
		    option->high >> (option->high < 1 << 20 ? 10 : 20),
		    option->high < 1 << 20 ? "K" : "M");
	return option_refuse(why, why_size,
	    "expected %s from %" PRIu64 " to %" PRIu64,
	    seconds ? "seconds" : "a number", option->low, option->high);
}

static int
add_allow(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	struct subnet subnet, *grown;

	if (subnet_parse(text, &subnet) != 0)
		return option_refuse(why, why_size,
		    "expected an address, or a network like 192.0.2.0/24 or "
		    "2001:db8::/32; 0.0.0.0/0 and ::/0 are everybody");
	/* Without "/0" this network would match no client. */
	if (addr_is_any(&subnet.addr) && strchr(text, '/') == NULL)
		return option_refuse(why, why_size,
		    "no client has that address; %s/0 is everybody", text);
	grown =
	    realloc(options->allow, (options->n_allow + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	options->allow = grown;
	options->allow[options->n_allow++] = subnet;
	return 0;
}

/* Reads a verb, or SITE and a second word.  A verb has at least three letters.
 */
static int
add_verb(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t first = strspn(text, letters);
	size_t second =
	    text[first] == ' ' ? strspn(text + first + 1, letters) : 0;
	bool site = strncasecmp(text, "SITE ", 5) == 0 && second > 0;

	if (first < 3 || text[0] <= '9' ||
	    (text[first] != '\0' &&
		!(site && text[first + 1 + second] == '\0')))
		return option_refuse(why, why_size,
		    "expected a verb like STOR, or SITE with its word, like "
		    "\"SITE CHMOD\"");
	return options_list_add(&options->deny, text);
}

static int
add_host(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	if (!account_is_pattern(text))
		return option_refuse(why, why_size,
		    "expected HOST or HOST:PORT; HOST may have \"*\" and "
		    "\"?\", and PORT may be \"*\"");
	return options_list_add(&options->login.hosts, text);
}

static int
add_path(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	if (text[0] != '/' && text[0] != '*')
		return option_refuse(why, why_size,
		    "expected a path that begins with \"/\" or \"*\", with "
		    "wildcards, like \"/pub/*\"");
	return options_list_add((struct options_list *)(void *)((char *)
								    options +
				    option->at),
	    text);
}

/* Reads the address of a host, as other hosts would use it. */
static int
take_address(const char *text, struct addr *ret, char *why, size_t why_size)
{
	struct addr addr;

	/* A scope is valid on one host only (RFC 4007 section 11). */
	if (addr_parse_ip(text, &addr) != 0 || addr.scope != 0)
		return option_refuse(why, why_size,
		    "expected an IPv4 or IPv6 address, not a name");
	if (addr_is_any(&addr))
		return option_refuse(why, why_size,
		    "that is not the address of a host");
	*ret = addr;
	return 0;
}

static int
take_far_address(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	struct addr far;

	options->far_address = text;
	return take_address(text, &far, why, why_size);
}

/* Reads ADDR:PORT, [ADDR]:PORT or unix:PATH. */
static int
take_metrics(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	static const char unix_prefix[] = "unix:";
	const char *colon = strrchr(text, ':'), *host = text;
	char address[ADDR_TEXT_MAX];
	struct addr at;
	uint64_t port;
	size_t len;

	options->metrics.family = AF_UNSPEC;
	options->metrics_path = NULL;
	if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0 &&
	    text[strlen(unix_prefix)] == '/') {
		options->metrics_path = text + strlen(unix_prefix);
		return 0;
	}
	len = colon != NULL ? (size_t)(colon - text) : 0;
	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		host++;
		len -= 2;
	}
	snprintf(address, sizeof(address), "%.*s", (int)len, host);
	if (colon == NULL || addr_parse_ip(address, &at) != 0 ||
	    (at.family == AF_INET6) != (text[0] == '[') ||
	    num_parse_text(colon + 1, UINT16_MAX, &port) != 0 || port == 0)
		return option_refuse(why, why_size,
		    "an address and a port, as 127.0.0.1:9721 or [::1]:9721, "
		    "or unix: and a path");
	options->metrics = at;
	options->metrics.port = (uint16_t)port;
	return 0;
}

static int
take_client_ports(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	const char *dash = strchr(text, '-');
	size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);
	uint64_t low, high;

	if (num_parse(text, len, 65535, &low) != 0 || low == 0 ||
	    num_parse_text(dash != NULL ? dash + 1 : text, 65535, &high) != 0)
		return option_refuse(why, why_size,
		    "expected LOW-HIGH, two ports from 1 to 65535");
	if (low > high)
		return option_refuse(why, why_size,
		    "the first port is above the last");
	options->client_ports_low = (uint16_t)low;
	options->client_ports_high = (uint16_t)high;
	return 0;
}

int
option_take(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size)
{
	void *at = (char *)options + option->at;

	switch (option->kind) {
	case OPTION_TEXT:
		*(const char **)at = text;
		return 0;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_SECONDS:
		return take_number(option, text, at, why, why_size);
	case OPTION_EITHER:
		return take_either(text, option->words, at, why, why_size);
	case OPTION_ADDRESS:
		return take_address(text, at, why, why_size);
	case OPTION_SSH:
		return take_for_ssh(options, option, text, why, why_size);
	case OPTION_OWN:
		return option->take(options, option, text, why, why_size);
	}
	return -EINVAL;
}

const char *
option_default(const struct option_entry *option, char *text, size_t size)
{
	struct options defaults;
	const char *at = (const char *)&defaults + option->at;

	options_set_defaults(&defaults);
	switch (option->kind) {
	case OPTION_TEXT:
		return *(const char *const *)(const void *)at;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_SECONDS: {
		uint64_t n = *(const uint64_t *)(const void *)at;

		if (option->kind == OPTION_SIZE && n == 0)
			return NULL; /* no limit */
		if (option->kind == OPTION_SECONDS)
			n /= 1000;
		snprintf(text, size, "%" PRIu64 "%s",
		    option->kind == OPTION_SIZE ? n >> 20 : n,
		    option->kind == OPTION_SIZE ? "M" : "");
		return text;
	}
	case OPTION_EITHER:
	case OPTION_OWN:
		return option->words[0];
	case OPTION_ADDRESS:
	case OPTION_SSH:
		break;
	}
	return NULL;
}
