/*
 * What culvert check suggests.
 */
#include "check/suggest.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"

/* A text being written. */
struct text {
	char *at;
	size_t size;
	size_t len;
	bool full;
};

static void suggest_put(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
suggest_put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->at + text->len, text->size - text->len, format,
	    args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->size - text->len) {
		text->full = true;
		text->at[text->len] = '\0';
	} else {
		text->len += (size_t)n;
	}
}

/* A text that is too long becomes empty. */
static bool
suggest_done(const struct text *text)
{
	if (text->full)
		text->at[0] = '\0';
	return !text->full;
}

/* ---- the kinds of forwards ---- */

bool
suggest_has_ftp(const struct options *options)
{
	bool ftp = false;

	for (size_t i = 0; i < options->n_forwards; i++)
		ftp |= !options->forwards[i].sftp;
	return ftp;
}

bool
suggest_has_sftp(const struct options *options)
{
	bool sftp = false;

	for (size_t i = 0; i < options->n_forwards; i++)
		sftp |= options->forwards[i].sftp;
	return sftp;
}

/* ---- the mode ---- */

enum options_mode
suggest_mode(const struct options *options, const struct suggest_modes *modes)
{
	bool passive = true, active = true, known = suggest_has_ftp(options);

	for (size_t i = 0; i < options->n_forwards; i++) {
		if (options->forwards[i].sftp)
			continue;
		known &= modes[i].known;
		passive &= modes[i].passive;
		active &= modes[i].active;
	}
	if (!known)
		return options->server_mode;
	/* No mode works for all forwards, as far as they were tried. */
	if (!passive && !active)
		return OPTIONS_SAME;
	if (options->server_mode == OPTIONS_PASSIVE && passive)
		return OPTIONS_PASSIVE;
	if (options->server_mode == OPTIONS_ACTIVE && active)
		return OPTIONS_ACTIVE;
	if (passive && active)
		return OPTIONS_SAME;
	return passive ? OPTIONS_PASSIVE : OPTIONS_ACTIVE;
}

/* ---- the key ---- */

/* Adds ,name="host:port", unless the text contains it.  Port 0: any. */
static void
put_permit(struct text *text, const char *name, const char *host, uint16_t port)
{
	bool bracket = strchr(host, ':') != NULL;
	char one[FORWARD_HOST_MAX + 64], number[8] = "*";

	if (port != 0)
		snprintf(number, sizeof(number), "%u", port);
	snprintf(one, sizeof(one), ",%s=\"%s%s%s:%s\"", name,
	    bracket ? "[" : "", host, bracket ? "]" : "", number);
	if (strstr(text->at, one) == NULL)
		suggest_put(text, "%s", one);
}

/* Permits the clients of --allow that are single hosts, because sshd has no
 * pattern for networks. */
static void
put_clients(struct text *text, const struct options *options)
{
	char host[ADDR_TEXT_MAX];

	for (size_t i = 0; i < options->n_allow; i++) {
		const struct subnet *allow = &options->allow[i];
		unsigned all = allow->addr.family == AF_INET ? 32 : 128;

		if (allow->bits == all)
			put_permit(text, "permitopen",
			    addr_format_ip(&allow->addr, host), 0);
	}
}

bool
suggest_is_loopback(const char *host)
{
	struct addr addr;

	return *host == '\0' || strcmp(host, "localhost") == 0 ||
	    (addr_parse_ip(host, &addr) == 0 && addr_is_loopback(&addr));
}

/* Does that mean all addresses of the SSH server? */
static bool
is_every(const char *bind)
{
	struct addr addr;

	return strcmp(bind, "*") == 0 ||
	    (addr_parse_ip(bind, &addr) == 0 && addr_is_any(&addr));
}

static void
put_remote_open(struct text *text, const struct options *options,
    const struct forward *forward)
{
	if (suggest_is_loopback(forward->bind)) {
		put_permit(text, "permitopen", "127.0.0.1", 0);
		put_permit(text, "permitopen", "::1", 0);
		return;
	}
	put_clients(text, options);
	/* culvert connects to that address, to test whether sshd listens
	 * (tunnel/far_probe.c). */
	put_permit(text, "permitopen",
	    !is_every(forward->bind)		 ? forward->bind :
		strcmp(forward->bind, "::") == 0 ? "::1" :
						   "127.0.0.2",
	    forward->port);
}

bool
suggest_is_local(const char *bind)
{
	return suggest_is_loopback(bind) || is_every(bind);
}

void
suggest_clients(const struct options *options, const struct forward *forward,
    char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };

	if (suggest_is_loopback(forward->bind)) {
		suggest_put(&text, "127.0.0.1:* [::1]:*");
		return;
	}
	for (size_t i = 0; i < options->n_allow; i++) {
		const struct subnet *allow = &options->allow[i];
		bool v4 = allow->addr.family == AF_INET;
		char host[ADDR_TEXT_MAX];

		if (allow->bits != (v4 ? 32 : 128))
			text.full = true;
		suggest_put(&text, v4 ? "%s%s:*" : "%s[%s]:*", i > 0 ? " " : "",
		    addr_format_ip(&allow->addr, host));
	}
	if (text.full || options->n_allow == 0)
		snprintf(ret, size, "any");
}

const char *
suggest_far_host(const struct options *options, const struct forward *forward,
    bool ipv6)
{
	if (forward->remote)
		return *forward->bind != '\0' ? forward->bind : "localhost";
	if (options->far_address != NULL)
		return options->far_address;
	return ipv6 || strchr(forward->host, ':') != NULL ? "::1" : "127.0.0.1";
}

static void
put_listen(struct text *text, const struct options *options,
    const struct forward *forward, const struct suggest_modes *modes,
    enum options_mode mode)
{
	const char *host = suggest_far_host(options, forward, modes->ipv6);

	if (forward->sftp || (!forward->remote && mode == OPTIONS_PASSIVE))
		return;
	/* ssh requests an empty host for "*". */
	put_permit(text, "permitlisten", strcmp(host, "*") == 0 ? "" : host, 0);
}

/* What sshd connects to.  In active mode that is not the data ports. */
static void
put_open(struct text *text, const struct options *options,
    const struct forward *forward, enum options_mode mode)
{
	if (forward->remote)
		put_remote_open(text, options, forward);
	else if (forward->socks)
		put_permit(text, "permitopen", "*", 0);
	else if (!forward->sftp)
		put_permit(text, "permitopen", forward->host,
		    mode == OPTIONS_ACTIVE ? forward->host_port : 0);
}

/* The only program that sshd runs for "sftp/". */
static const char *
sftp_command(const struct options *options)
{
	return options->read_only ? "internal-sftp -R" : "internal-sftp";
}

bool
suggest_key_line(const struct options *options,
    const struct suggest_modes *modes, enum options_mode mode, char *ret,
    size_t size)
{
	struct text text = { .at = ret, .size = size };
	size_t before;

	suggest_put(&text, "restrict%s,command=\"%s\"",
	    suggest_has_ftp(options) ? ",port-forwarding" : "",
	    suggest_has_sftp(options) ? sftp_command(options) : "/bin/false");
	for (size_t i = 0; i < options->n_forwards; i++)
		put_open(&text, options, &options->forwards[i], mode);
	before = text.len;
	for (size_t i = 0; i < options->n_forwards; i++)
		put_listen(&text, options, &options->forwards[i], &modes[i],
		    mode);
	/* Without any permitlisten, sshd may listen everywhere.  Only root can
	 * listen on port 1. */
	if (text.len == before && suggest_has_ftp(options))
		put_permit(&text, "permitlisten", "localhost", 1);
	return suggest_done(&text);
}

bool
suggest_sshd_config(const struct options *options, const char *user, char *ret,
    size_t size)
{
	struct text text = { .at = ret, .size = size };

	if (suggest_has_ftp(options))
		text.full = true;
	suggest_put(&text,
	    "Match User %s\n"
	    "    ForceCommand %s\n"
	    "    DisableForwarding yes\n"
	    "    ChrootDirectory DIRECTORY",
	    user, sftp_command(options));
	return suggest_done(&text);
}

/* ---- the command ---- */

static const char *const modes[] = {
	[OPTIONS_SAME] = NULL,
	[OPTIONS_PASSIVE] = "passive",
	[OPTIONS_ACTIVE] = "active",
};

static void
put_quoted(struct text *text, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_./:@%+=,";
	size_t len = strlen(word);

	if (len > 0 && strspn(word, plain) == len) {
		suggest_put(text, "%s", word);
		return;
	}
	suggest_put(text, "'");
	for (; *word != '\0'; word++)
		suggest_put(text, *word == '\'' ? "'\\''" : "%c", *word);
	suggest_put(text, "'");
}

/* Adds one word for a shell. */
static void
put_word(struct text *text, const char *word)
{
	suggest_put(text, " ");
	put_quoted(text, word);
}

static void
put_option(struct text *text, const char *name, const char *value)
{
	suggest_put(text, " %s%s", name[1] == '\0' ? "-" : "--", name);
	if (value != NULL)
		put_word(text, value);
}

void
suggest_add(struct suggest_command *command, struct suggest_change change)
{
	if (change.part == SUGGEST_NOTHING ||
	    command->n_changes == SUGGEST_CHANGES)
		return;
	command->changes[command->n_changes++] = change;
	command->has_capitals |= change.value != NULL &&
	    change.part != SUGGEST_TUNNEL &&
	    isupper((unsigned char)change.value[0]);
}

/* Returns the first change of that part, or NULL. */
static const struct suggest_change *
find_change(const struct suggest_command *command, enum suggest_part part,
    const char *name, size_t forward)
{
	for (size_t i = 0; i < command->n_changes; i++) {
		const struct suggest_change *change = &command->changes[i];

		if (change->part == part &&
		    (name == NULL || strcmp(change->name, name) == 0) &&
		    change->forward == forward)
			return change;
	}
	return NULL;
}

/* Adds "[bind:]port:host:hostport", with the host and port changed. */
static void
put_forward(struct text *text, const struct suggest_command *command,
    const struct suggest_option *option, size_t forward)
{
	const struct suggest_change *host =
	    find_change(command, SUGGEST_SERVER_HOST, NULL, forward);
	const struct suggest_change *port =
	    find_change(command, SUGGEST_SERVER_PORT, NULL, forward);
	const char *value = option->value, *colon = strrchr(value, ':');
	const char *at = colon;
	char changed[FORWARD_HOST_MAX + 256];

	if (colon == NULL || (host == NULL && port == NULL)) {
		put_option(text, option->name, value);
		return;
	}
	while (at > value && at[-1] != (colon[-1] == ']' ? '[' : ':'))
		at--;
	if (at > value && at[-1] == '[')
		at--;
	snprintf(changed, sizeof(changed), "%.*s%.*s:%s", (int)(at - value),
	    value, host != NULL ? (int)strlen(host->value) : (int)(colon - at),
	    host != NULL ? host->value : at,
	    port != NULL ? port->value : colon + 1);
	put_option(text, option->name, changed);
}

static void
put_options(struct text *text, const struct suggest_command *command)
{
	size_t n_forwards = 0;

	for (size_t i = 0; i < command->n_options; i++) {
		const struct suggest_option *option = &command->options[i];
		const char *name = option->name;
		const struct suggest_change *change =
		    find_change(command, SUGGEST_GIVEN, name, 0);

		if (change == NULL)
			change = find_change(command, SUGGEST_OPTION, name, 0);
		if (strcmp(name, "server-mode") == 0 ||
		    find_change(command, SUGGEST_NO_OPTION, name, 0) != NULL)
			continue;
		if (change != NULL && change->part == SUGGEST_OPTION)
			continue; /* added below */
		if (strcmp(name, "L") == 0 || strcmp(name, "R") == 0)
			put_forward(text, command, option, n_forwards++);
		else
			put_option(text, name,
			    change != NULL ? change->value : option->value);
	}
	for (size_t i = 0; i < command->n_changes; i++)
		if (command->changes[i].part == SUGGEST_OPTION)
			put_option(text, command->changes[i].name,
			    command->changes[i].value);
}

static void
put_up(struct text *text, const struct suggest_command *command,
    const char *tunnel)
{
	bool changes = command->n_changes > 0 && tunnel == command->tunnel;
	bool mode = modes[command->mode] != NULL;

	suggest_put(text, " up");
	if (command->config != NULL) {
		suggest_put(text, " -f");
		put_word(text, command->config);
	}
	put_word(text, tunnel);
	if (mode)
		suggest_put(text, " # with server-mode = %s%s in its section",
		    modes[command->mode],
		    changes ? " and the changes above" : "");
	else if (changes)
		suggest_put(text, " # with the changes above in its section");
}

bool
suggest_command(const struct suggest_command *command, char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };
	const struct suggest_change *tunnel =
	    find_change(command, SUGGEST_TUNNEL, NULL, 0);
	const struct suggest_change *destination =
	    find_change(command, SUGGEST_DESTINATION, NULL, 0);

	suggest_put(&text, "culvert");
	if (command->tunnel != NULL || tunnel != NULL) {
		put_up(&text, command,
		    tunnel != NULL ? tunnel->value : command->tunnel);
		return suggest_done(&text);
	}
	put_options(&text, command);
	if (modes[command->mode] != NULL)
		suggest_put(&text, " --server-mode %s", modes[command->mode]);
	put_word(&text,
	    destination != NULL ? destination->value : command->destination);
	return suggest_done(&text);
}

bool
suggest_ssh(const char *const *words, size_t n, const char *destination,
    char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };

	suggest_put(&text, "ssh");
	for (size_t i = 0; i < n; i++)
		put_word(&text, words[i]);
	put_word(&text, destination);
	return suggest_done(&text);
}

bool
suggest_word(const char *word, char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };

	put_quoted(&text, word);
	return suggest_done(&text);
}
