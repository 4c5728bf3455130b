/*
 * What the doctor suggests.
 */
#include "check/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"

/* A text that is being made. */
struct text {
	char *at;
	size_t size;
	size_t len;
	bool full;
};

static void put(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put(struct text *text, const char *format, ...)
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

/* ---- the mode ---- */

enum options_mode
suggest_mode(const struct options *options, const struct suggest_modes *modes)
{
	bool passive = true, active = true, known = options->n_forwards > 0;

	for (size_t i = 0; i < options->n_forwards; i++) {
		known &= modes[i].known;
		passive &= modes[i].passive;
		active &= modes[i].active;
	}
	if (!known || (!passive && !active))
		return options->server_mode;
	if (options->server_mode == OPTIONS_PASSIVE && passive)
		return OPTIONS_PASSIVE;
	if (options->server_mode == OPTIONS_ACTIVE && active)
		return OPTIONS_ACTIVE;
	if (passive && active)
		return OPTIONS_SAME;
	return passive ? OPTIONS_PASSIVE : OPTIONS_ACTIVE;
}

/* ---- the key ---- */

/* "name="host:port"", once. */
static void
put_permit(struct text *text, const char *name, const char *host,
    const char *port)
{
	bool bracket = strchr(host, ':') != NULL;
	char one[FORWARD_HOST_MAX + 64];

	snprintf(one, sizeof(one), ",%s=\"%s%s%s:%s\"", name,
	    bracket ? "[" : "", host, bracket ? "]" : "", port);
	if (strstr(text->at, one) == NULL)
		put(text, "%s", one);
}

static void
put_port(struct text *text, const char *host, uint16_t port)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", port);
	put_permit(text, "permitopen", host, number);
}

/* Where the SSH server connects to. */
static void
put_local_open(struct text *text, const struct forward *forward,
    enum options_mode mode)
{
	if (mode == OPTIONS_ACTIVE)
		put_port(text, forward->host, forward->host_port);
	else
		put_permit(text, "permitopen", forward->host, "*");
}

/* Clients that are hosts; of networks sshd has no pattern. */
static void
put_clients(struct text *text, const struct options *options)
{
	char host[ADDR_TEXT_MAX];

	for (size_t i = 0; i < options->n_allow; i++) {
		const struct subnet *allow = &options->allow[i];
		unsigned all = allow->addr.family == AF_INET ? 32 : 128;

		if (allow->bits == all)
			put_permit(text, "permitopen",
			    addr_format_ip(&allow->addr, host), "*");
	}
}

static bool
is_loopback(const char *bind)
{
	struct addr addr;

	return *bind == '\0' || strcmp(bind, "localhost") == 0 ||
	    (addr_parse_ip(bind, &addr) == 0 && addr_is_loopback(&addr));
}

static void
put_remote_open(struct text *text, const struct options *options,
    const struct forward *forward)
{
	if (is_loopback(forward->bind)) {
		put_permit(text, "permitopen", "127.0.0.1", "*");
		put_permit(text, "permitopen", "::1", "*");
		return;
	}
	put_clients(text, options);
	/* Whether sshd listens there is looked at. */
	put_port(text,
	    strcmp(forward->bind, "*") == 0 ? "127.0.0.2" : forward->bind,
	    forward->port);
}

static void
put_listen(struct text *text, const struct options *options,
    const struct forward *forward, const struct suggest_modes *modes,
    enum options_mode mode)
{
	const char *host = forward->bind;

	if (!forward->remote) {
		host = options->far_address;
		if (mode == OPTIONS_PASSIVE)
			return;
		if (host == NULL)
			host = modes->ipv6 ? "::1" : "127.0.0.1";
	} else if (*host == '\0') {
		host = "localhost";
	} else if (strcmp(host, "*") == 0) {
		host = ""; /* ssh asks for that */
	}
	put_permit(text, "permitlisten", host, "*");
}

bool
suggest_key_line(const struct options *options,
    const struct suggest_modes *modes, enum options_mode mode, char *ret,
    size_t size)
{
	struct text text = { .at = ret, .size = size };
	size_t before;

	put(&text, "restrict,port-forwarding,command=\"/bin/false\"");
	for (size_t i = 0; i < options->n_forwards; i++) {
		const struct forward *forward = &options->forwards[i];

		if (forward->remote)
			put_remote_open(&text, options, forward);
		else
			put_local_open(&text, forward, mode);
	}
	before = text.len;
	for (size_t i = 0; i < options->n_forwards; i++)
		put_listen(&text, options, &options->forwards[i], &modes[i],
		    mode);
	/* None would be everywhere; only root may listen there. */
	if (text.len == before)
		put_permit(&text, "permitlisten", "localhost", "1");
	return !text.full;
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
		put(text, "%s", word);
		return;
	}
	put(text, "'");
	for (; *word != '\0'; word++)
		put(text, *word == '\'' ? "'\\''" : "%c", *word);
	put(text, "'");
}

/* As one word of a shell. */
static void
put_word(struct text *text, const char *word)
{
	put(text, " ");
	put_quoted(text, word);
}

static void
put_option(struct text *text, const struct suggest_option *option)
{
	put(text, " %s%s", option->name[1] == '\0' ? "-" : "--", option->name);
	if (option->value != NULL)
		put_word(text, option->value);
}

static void
put_up(struct text *text, const struct suggest_command *command)
{
	put(text, " up");
	if (command->config != NULL) {
		put(text, " -f");
		put_word(text, command->config);
	}
	put_word(text, command->tunnel);
	if (modes[command->mode] != NULL)
		put(text, " # with server-mode = %s in its section",
		    modes[command->mode]);
}

bool
suggest_command(const struct suggest_command *command, char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };

	put(&text, "culvert");
	if (command->tunnel != NULL) {
		put_up(&text, command);
		return !text.full;
	}
	for (size_t i = 0; i < command->n_options; i++)
		if (strcmp(command->options[i].name, "server-mode") != 0)
			put_option(&text, &command->options[i]);
	if (modes[command->mode] != NULL)
		put(&text, " --server-mode %s", modes[command->mode]);
	put_word(&text, command->destination);
	return !text.full;
}

bool
suggest_ssh(const char *const *words, size_t n, const char *destination,
    char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };

	put(&text, "ssh");
	for (size_t i = 0; i < n; i++)
		put_word(&text, words[i]);
	put_word(&text, destination);
	return !text.full;
}

bool
suggest_word(const char *word, char *ret, size_t size)
{
	struct text text = { .at = ret, .size = size };

	put_quoted(&text, word);
	return !text.full;
}
