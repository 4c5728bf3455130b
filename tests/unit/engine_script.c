/*
 * Reads the sessions of tests/vectors/engine.
 */
#include "engine_script.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

const char *
peer_name(enum engine_peer peer)
{
	return peer == ENGINE_CLIENT ? "client" : "server";
}

/* ---- words ---- */

void
words_open(struct words *words)
{
	words->file = open_memstream(&words->text, &words->len);
	if (words->file == NULL)
		err(1, NULL);
	words->sending = -1;
}

const char *
words_text(struct words *words)
{
	fflush(words->file);
	return words->text;
}

void
words_close(struct words *words)
{
	fclose(words->file);
	free(words->text);
}

void
words_end_send(struct words *words)
{
	if (words->sending != -1)
		fputc('\n', words->file);
	words->sending = -1;
}

void
words_send(struct words *words, enum engine_peer peer, const uint8_t *bytes,
    size_t len)
{
	if (words->sending != (int)peer) {
		words_end_send(words);
		fputs(peer == ENGINE_CLIENT ? "C< " : "S< ", words->file);
		words->sending = (int)peer;
	}
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\r')
			fputs("\\r", words->file);
		else if (bytes[i] == '\n')
			fputs("\\n", words->file);
		else if (bytes[i] == '\\')
			fputs("\\\\", words->file);
		else if (bytes[i] < ' ' || bytes[i] > '~')
			fprintf(words->file, "\\x%02x", bytes[i]);
		else
			fputc(bytes[i], words->file);
	}
}

void
words_say(struct words *words, const char *format, ...)
{
	va_list args;

	words_end_send(words);
	va_start(args, format);
	vfprintf(words->file, format, args);
	va_end(args);
	fputc('\n', words->file);
}

/* ---- reading a session ---- */

static char *
copy_of(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		err(1, NULL);
	return copy;
}

static void __attribute__((noreturn))
bad_line(const struct script *script, unsigned number, const char *line)
{
	errx(1, "%s:%u: cannot read: %s", script->path, number, line);
}

static bool
read_address(const char *text, struct addr *ret)
{
	char host[ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL)
		return false;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		text++;
		len -= 2;
	}
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	if (addr_parse_ip(host, ret) != 0)
		return false;
	ret->port = (uint16_t)atoi(colon + 1);
	return true;
}

/* Takes a word off the start of *text. */
static const char *
take_word(char **text)
{
	char *word = *text + strspn(*text, " ");

	*text = word + strcspn(word, " ");
	if (**text != '\0')
		*(*text)++ = '\0';
	return word;
}

static bool
read_peer(const char *word, enum engine_peer *ret)
{
	*ret = strcmp(word, "client") == 0 ? ENGINE_CLIENT : ENGINE_SERVER;
	return strcmp(word, peer_name(*ret)) == 0;
}

/* Takes "client" or "server" off the start, if it is there. */
static bool
skip_peer(char **text, enum engine_peer *ret)
{
	for (int peer = 0; peer < 2; peer++) {
		size_t len = strlen(peer_name((enum engine_peer)peer));

		if (strncmp(*text, peer_name((enum engine_peer)peer), len) ==
			0 &&
		    strchr(" ", (*text)[len]) != NULL) {
			*ret = (enum engine_peer)peer;
			*text += len;
			return true;
		}
	}
	return false;
}

/* A word of an event; false: it belongs to why. */
static bool
read_event_word(struct script_step *step, const char *word)
{
	struct engine_data_event *event = &step->event;

	if (strcmp(word, "recent") == 0)
		return event->recent = true;
	if (strcmp(word, "transient") == 0)
		return event->transient = true;
	if (strncmp(word, "v4=", 3) == 0)
		return read_address(word + 3, &event->v4);
	if (strncmp(word, "v6=", 3) == 0)
		return read_address(word + 3, &event->v6);
	if (strcmp(word, "assumed") == 0)
		return event->assumed = true;
	if (strcmp(word, "unproven") == 0)
		return event->end_unproven = true;
	if (strcmp(word, "early") == 0)
		return event->end_early = true;
	if (strcmp(word, "stalled") == 0)
		return event->stalled = true;
	if (strcmp(word, "ended") == 0)
		return event->ended = true;
	if (sscanf(word, "unsent=%lu", &event->unsent) == 1 ||
	    sscanf(word, "age=%lu", &event->age_ms) == 1 ||
	    sscanf(word, "files=%zu", &event->files) == 1 ||
	    sscanf(word, "behind=%lu", &event->behind) == 1)
		return true;
	if (sscanf(word, "to_client=%lu", &event->to_client) != 1 &&
	    sscanf(word, "to_server=%lu", &event->to_server) != 1)
		return false;
	step->counts = true;
	return true;
}

static void
read_event_words(struct script_step *step, char *text)
{
	char why[200] = "";
	const char *word;
	size_t len;

	while (*(word = take_word(&text)) != '\0') {
		if (read_event_word(step, word))
			continue;
		len = strlen(why);
		snprintf(why + len, sizeof(why) - len, "%s%s",
		    len > 0 ? " " : "", word);
	}
	step->why = copy_of(why);
}

/* "data N EVENT [client|server] ..." */
static bool
read_data(struct script_step *step, char *text)
{
	static const char *const names[] = {
		[ENGINE_DATA_LISTENING] = "listening",
		[ENGINE_DATA_NO_LISTENER] = "no-listener",
		[ENGINE_DATA_UP] = "up",
		[ENGINE_DATA_EOF] = "eof",
		[ENGINE_DATA_FILE_END] = "file-end",
		[ENGINE_DATA_LOST] = "lost",
		[ENGINE_DATA_DELIVERED] = "delivered",
		[ENGINE_DATA_TIMEOUT] = "timeout",
		[ENGINE_DATA_IS_QUIET] = "is-quiet",
		[ENGINE_DATA_SECOND] = "second",
		[ENGINE_DATA_MOVED] = "moved",
		[ENGINE_DATA_UNKNOWN] = "unknown",
	};
	unsigned type = 0;
	const char *word;

	step->kind = INPUT_DATA;
	step->event.data = (uint32_t)atoi(take_word(&text));
	word = take_word(&text);
	while (type <= ENGINE_DATA_FILE_END && strcmp(word, names[type]) != 0)
		type++;
	if (type > ENGINE_DATA_FILE_END ||
	    step->event.data >= SCRIPT_NUMBERS_MAX)
		return false;
	step->event.type = type;
	step->event.files = type == ENGINE_DATA_FILE_END;
	if ((type == ENGINE_DATA_UP || type == ENGINE_DATA_EOF ||
		type == ENGINE_DATA_FILE_END || type == ENGINE_DATA_LOST ||
		type == ENGINE_DATA_SECOND || type == ENGINE_DATA_UNKNOWN) &&
	    !read_peer(take_word(&text), &step->event.peer))
		return false;
	if (type == ENGINE_DATA_LISTENING || type == ENGINE_DATA_NO_LISTENER)
		step->peer_said = skip_peer(&text, &step->event.peer);
	read_event_words(step, text);
	return true;
}

/* "many N BYTES": N times the bytes. */
static void
read_many(const char *text, uint8_t **ret, size_t *ret_len)
{
	size_t times, len;
	int at = 0;

	if (sscanf(text, "many %zu %n", &times, &at) != 1 || at == 0)
		errx(1, "cannot read: %s", text);
	*ret = malloc(times * strlen(text) + 1);
	if (*ret == NULL)
		err(1, NULL);
	len = vectors_unescape(text + at, *ret);
	for (size_t i = 1; i < times; i++)
		memcpy(*ret + i * len, *ret, len);
	*ret_len = times * len;
}

static void
read_bytes(const char *text, uint8_t **ret, size_t *ret_len)
{
	if (text[0] != ' ') {
		read_many(text, ret, ret_len);
		return;
	}
	*ret = malloc(strlen(text));
	if (*ret == NULL)
		err(1, NULL);
	*ret_len = vectors_unescape(text + 1, *ret);
}

/* An input of a control connection, behind "C>" or "S>". */
static void
read_control(struct script_step *step, const char *text)
{
	if (strcmp(text, "eof") == 0) {
		step->kind = INPUT_EOF;
	} else if (strncmp(text, "lost", 4) == 0) {
		step->kind = INPUT_LOST;
		step->why = copy_of(text[4] == ' ' ? text + 5 : "");
	} else {
		step->kind = INPUT_BYTES;
		read_bytes(text, &step->bytes, &step->len);
	}
}

/* What the owner of an engine says to it. */
static bool
read_own(struct script_step *step, const char *line)
{
	static const struct {
		const char *words; /* a blank at the end: and then why */
		enum input_kind kind;
	} own[] = {
		{ "control timeout", INPUT_TIMER },
		{ "reply timeout", INPUT_REPLY_TIMER },
		{ "greeting late", INPUT_GREETING_LATE },
		{ "greeting overdue", INPUT_GREETING_OVERDUE },
		{ "culvert stops ", INPUT_STOP },
		{ "culvert drains late ", INPUT_DRAIN_LATE },
		{ "culvert drains ", INPUT_DRAIN },
		{ "keepalive", INPUT_KEEPALIVE },
		{ "grant", INPUT_GRANT },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		size_t len = strlen(own[i].words);

		if (strncmp(line, own[i].words, len) != 0)
			continue;
		step->kind = own[i].kind;
		if (own[i].words[len - 1] == ' ')
			step->why = copy_of(line + len);
		return true;
	}
	return false;
}

/* Begins a step if the line is an input. */
static bool
read_input(struct script *script, unsigned number, char *line)
{
	struct script_step *step = &script->steps[script->n_steps];
	bool right = true;

	if (script->n_steps == SCRIPT_STEPS_MAX)
		errx(1, "%s: too long", script->path);
	step->line = number;
	if (strncmp(line, "C>", 2) == 0 || strncmp(line, "S>", 2) == 0) {
		step->peer = line[0] == 'C' ? ENGINE_CLIENT : ENGINE_SERVER;
		read_control(step, line + 2);
	} else if (read_own(step, line)) {
		/* It is whole. */
	} else if (strncmp(line, "data ", 5) == 0)
		right = read_data(step, line + 5);
	else
		return false;
	if (!right)
		bad_line(script, number, line);
	words_open(&step->want);
	script->n_steps++;
	return true;
}

static void
read_want(struct script_step *step, const char *line)
{
	enum engine_peer peer = line[0] == 'C' ? ENGINE_CLIENT : ENGINE_SERVER;
	uint8_t *bytes;
	size_t len;

	if (strncmp(line, "C<", 2) != 0 && strncmp(line, "S<", 2) != 0) {
		words_say(&step->want, "%s", line);
		return;
	}
	read_bytes(line + 2, &bytes, &len);
	words_send(&step->want, peer, bytes, len);
	free(bytes);
}

/* "refused=PORT,EPRT4": forms that the tunnel has learned of. */
static unsigned
read_forms(const char *text)
{
	static const char *const names[] = { "EPSV1", "EPSV", "PASV", "PORT",
		"EPRT4", "EPRT6" };
	unsigned forms = 0;

	for (; *text != '\0'; text += strcspn(text, ","), text += *text == ',')
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcspn(text, ",") == strlen(names[i]) &&
			    strncmp(text, names[i], strlen(names[i])) == 0)
				forms |= 1U << i;
	return forms;
}

/* One more text of a list of the policy; "_" is a blank. */
static bool
add_rule(struct script *script, size_t list, size_t *n, const char *text)
{
	char *copy = copy_of(text);

	for (char *at = copy; (at = strchr(at, '_')) != NULL;)
		*at = ' ';
	if (*n == SCRIPT_RULES_MAX)
		errx(1, "%s: too many rules", script->path);
	script->rules[list][(*n)++] = copy;
	script->config.policy = &script->policy;
	return true;
}

static bool
read_policy(struct script *script, const char *word)
{
	struct engine_policy *policy = &script->policy;

	policy->deny = script->rules[0];
	policy->allow_path = script->rules[1];
	policy->deny_path = script->rules[2];
	if (strcmp(word, "read-only") == 0) {
		script->config.policy = policy;
		return policy->read_only = true;
	}
	if (strncmp(word, "deny=", 5) == 0)
		return add_rule(script, 0, &policy->n_deny, word + 5);
	if (strncmp(word, "allow-path=", 11) == 0)
		return add_rule(script, 1, &policy->n_allow_path, word + 11);
	if (strncmp(word, "deny-path=", 10) == 0)
		return add_rule(script, 2, &policy->n_deny_path, word + 10);
	return false;
}

static bool
read_config_value(struct script *script, const char *word)
{
	struct engine_config *config = &script->config;
	struct subnet *network = &script->networks[config->n_networks];

	if (strncmp(word, "client=", 7) == 0)
		return addr_parse_ip(word + 7, &config->client) == 0;
	if (strncmp(word, "network=", 8) == 0) {
		config->client.family = AF_UNSPEC;
		config->networks = script->networks;
		config->n_networks++;
		return config->n_networks <= 2 &&
		    subnet_parse(word + 8, network) == 0;
	}
	if (strncmp(word, "refused=", 8) == 0) {
		script->memory.refused = read_forms(word + 8);
		return script->memory.refused != 0;
	}
	if (strncmp(word, "lines=", 6) == 0) {
		config->max_lines = (unsigned)atoi(word + 6);
		return config->max_lines != 0;
	}
	if (strncmp(word, "data=", 5) == 0) {
		config->max_data = (unsigned)atoi(word + 5);
		return config->max_data != 0;
	}
	if (strncmp(word, "good=", 5) == 0) {
		script->memory.good = read_forms(word + 5);
		return script->memory.good != 0 ||
		    strcmp(word, "good=none") == 0;
	}
	return false;
}

/* The README has the words. */
static void
read_config(struct script *script, unsigned number, char *line)
{
	struct engine_config *config = &script->config;
	char *text = line + strlen("config ");
	const char *word;

	while (*(word = take_word(&text)) != '\0') {
		if (read_config_value(script, word) ||
		    read_policy(script, word))
			continue;
		if (strcmp(word, "server=v4") == 0)
			config->server_family = AF_INET;
		else if (strcmp(word, "server=v6") == 0)
			config->server_family = AF_INET6;
		else if (strcmp(word, "mode=passive") == 0)
			config->server_mode = ENGINE_PASSIVE;
		else if (strcmp(word, "mode=active") == 0)
			config->server_mode = ENGINE_ACTIVE;
		else if (strcmp(word, "port-host=ignored") == 0)
			config->ignore_port_host = true;
		else if (strcmp(word, "foreign-port=pass") == 0)
			config->pass_foreign_port = true;
		else if (strcmp(word, "allow-tls") == 0)
			config->allow_tls = true;
		else if (strcmp(word, "apart") == 0)
			config->upload_apart = true;
		else if (strcmp(word, "whole") == 0)
			config->stores_whole = true;
		else if (strcmp(word, "looks-up") == 0)
			config->looks_up = true;
		else if (strcmp(word, "greeted") == 0)
			config->greeted = true;
		else if (strcmp(word, "logins") == 0)
			script->logins = true;
		else if (strcmp(word, "begins") == 0)
			script->begins = true;
		else
			bad_line(script, number, word);
	}
}

struct script *
script_read(const char *path)
{
	struct script *script = calloc(1, sizeof(*script));
	char line[VECTOR_MAX];
	unsigned number = 0;
	FILE *file = fopen(path, "r");

	if (script == NULL || file == NULL)
		err(1, "%s", path);
	script->path = path;
	script->n_steps = 1;
	script->config.client = addr_loopback(AF_INET, 0);
	script->config.server_host = "ftp.test";
	script->config.server_port = 21;
	script->memory.good = read_forms("EPSV1,EPSV,PASV");
	words_open(&script->steps[0].want);
	while (fgets(line, sizeof(line), file) != NULL) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strncmp(line, "config ", 7) == 0)
			read_config(script, number, line);
		else if (!read_input(script, number, line))
			read_want(&script->steps[script->n_steps - 1], line);
	}
	fclose(file);
	for (size_t i = 0; i < script->n_steps; i++)
		words_end_send(&script->steps[i].want);
	return script;
}

void
script_free(struct script *script)
{
	for (size_t list = 0; list < 3; list++)
		for (size_t i = 0; i < SCRIPT_RULES_MAX; i++)
			free((void *)(uintptr_t)script->rules[list][i]);
	for (size_t i = 0; i < script->n_steps; i++) {
		words_close(&script->steps[i].want);
		free(script->steps[i].bytes);
		free(script->steps[i].why);
	}
	free(script);
}
