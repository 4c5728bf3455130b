/*
 * The control engine: commands that the user of culvert forbids, whatever the
 * server would reply (struct engine_policy).
 *
 * It must see the same verb and argument as the server.  So if there is a
 * policy, it refuses a line that servers may parse in more than one way: a line
 * that ends with a bare LF, that has a lone CR, a NUL, another control
 * character or Telnet's IAC in it, or something in front of its verb (except
 * the Telnet commands in front of ABOR).  Unknown commands are refused.
 * engine/paths.c decides about paths.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/priv.h"

#define TELNET_IAC 255

/* How many bytes of an argument the log shows. */
#define SHOWN 255

/* Longest verb in a message, with its NUL. */
#define NAME_SIZE 16

/* ---- lines ---- */

static bool
is_letter_or_digit(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	    (byte >= '0' && byte <= '9');
}

static bool
verb_is_plain(const struct command *command, const uint8_t *line)
{
	static const char *const names[] = { "P@SW", NULL };

	for (size_t i = 0; i < command->verb_len; i++)
		if (!is_letter_or_digit(line[command->verb_at + i]))
			return command_name_is_one_of(command, line, names);
	return true;
}

/* RFC 959 section 4.1.3: Telnet's IP and Synch in front of an urgent command.
 * A server that parses them in another way still finds the same verb. */
static bool
prefix_is_plain(const struct command *command, const uint8_t *line)
{
	static const char *const urgent[] = { "ABOR", "STAT", "QUIT", NULL };

	for (size_t i = 0; i < command->verb_at; i += 2)
		if (line[i] != TELNET_IAC || i + 1 == command->verb_at ||
		    (line[i + 1] != 244 && line[i + 1] != 242))
			return false;
	return command->verb_at == 0 ||
	    (command->arg_len == 0 &&
		command_name_is_one_of(command, line, urgent));
}

/* Why servers may parse the line differently; NULL: they do not. */
static const char *
ambiguity(const struct command *command, const uint8_t *line, size_t len)
{
	size_t end = line_text_len(line, len);
	size_t behind = command->verb_at + command->verb_len;

	if (len - end != 2)
		return "the line does not end with CR LF";
	if (end > COMMAND_LONGEST)
		return "the line is too long";
	if (!prefix_is_plain(command, line))
		return "there is something before the command";
	for (size_t i = command->verb_at; i < end; i++)
		if (line[i] < ' ' || line[i] == 0x7f || line[i] == TELNET_IAC)
			return "it contains a control character";
	if (!verb_is_plain(command, line))
		return "it is not a valid command name";
	/* The argument of USER and PASS is not a path. */
	if (command->takes != TAKES_NOTHING && command->arg_at > behind + 1)
		return "more than one space follows the command";
	return NULL;
}

/* ---- verbs ---- */

/* The other name of a command. */
static const char *
alias_of(const char *verb, size_t len)
{
	static const char *const pairs[][2] = {
		{ "CDUP", "XCUP" },
		{ "CWD", "XCWD" },
		{ "MKD", "XMKD" },
		{ "PASV", "P@SW" },
		{ "PWD", "XPWD" },
		{ "RMD", "XRMD" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		for (size_t j = 0; j < 2; j++)
			if (strlen(pairs[i][j]) == len &&
			    strncasecmp(pairs[i][j], verb, len) == 0)
				return pairs[i][1 - j];
	return NULL;
}

/* Some servers compare only the first letters. */
static bool
begins_with(const uint8_t *word, size_t word_len, const char *name, size_t len)
{
	return word_len >= len &&
	    strncasecmp((const char *)word, name, len) == 0;
}

static bool
verb_is(const struct command *command, const uint8_t *line, const char *name,
    size_t len)
{
	const uint8_t *verb = line + command->verb_at;
	const char *alias = alias_of(name, len);

	return begins_with(verb, command->verb_len, name, len) ||
	    (alias != NULL &&
		begins_with(verb, command->verb_len, alias, strlen(alias)));
}

/* "STOR", "SITE CHMOD" */
static bool
policy_denies(const struct command *command, const uint8_t *line,
    const char *denied)
{
	size_t len = strcspn(denied, " ");

	if (!verb_is(command, line, denied, len))
		return false;
	if (denied[len] == '\0')
		return true;
	denied += len + 1;
	return begins_with(line + command->arg_at, command->arg_len, denied,
	    strlen(denied));
}

bool
policy_site_is_harmless(const struct command *command, const uint8_t *line)
{
	static const char help[] = "HELP";

	return begins_with(line + command->arg_at, command->arg_len, help,
		   strlen(help)) &&
	    (command->arg_len == strlen(help) ||
		line[command->arg_at + strlen(help)] == ' ');
}

/* On some servers, MDTM with a time sets the time of a file. */
static bool
sets_time(const struct command *command, const uint8_t *line)
{
	const uint8_t *arg = line + command->arg_at;

	return command->takes == TAKES_TIMED && command->arg_len > 0 &&
	    arg[0] >= '0' && arg[0] <= '9' &&
	    memchr(arg, ' ', command->arg_len) != NULL;
}

static bool
only_reads(const struct command *command, const uint8_t *line)
{
	if (command->verb == VERB_EMPTY)
		return true;
	if (command->takes == TAKES_SITE)
		return policy_site_is_harmless(command, line);
	return (command->flags & VERB_READS) != 0 && !sets_time(command, line);
}

/* ---- the decision ---- */

static struct veto
misread(const char *why)
{
	return (struct veto) { .policy = "ambiguous command", .why = why };
}

static struct veto
find_veto(const struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	const struct engine_policy *policy = engine->config.policy;
	const char *why = ambiguity(command, line, len);

	if (why != NULL)
		return misread(why);
	for (size_t i = 0; i < policy->n_deny; i++)
		if (policy_denies(command, line, policy->deny[i]))
			return (struct veto) { .policy = "--deny",
				.rule = policy->deny[i] };
	if ((command->flags & VERB_HIDES) != 0)
		return misread("its argument is an encoded command");
	if (policy->read_only && !only_reads(command, line))
		return (struct veto) { .policy = "--read-only" };
	if (command->verb == VERB_EMPTY || !paths_have_rules(engine))
		return (struct veto) { .policy = NULL };
	return paths_veto(engine, command, line);
}

/* Writes the verb for a message; "That" if it is not a verb or must not be
 * shown. */
static void
name_of(const struct command *command, const uint8_t *line, size_t shown,
    char name[NAME_SIZE])
{
	size_t len = command->verb_len;

	if (len == 0 || len >= NAME_SIZE || !verb_is_plain(command, line) ||
	    shown < command->verb_at + len) {
		snprintf(name, NAME_SIZE, "Command");
		return;
	}
	for (size_t i = 0; i < len; i++) {
		char c = (char)line[command->verb_at + i];

		name[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	name[len] = '\0';
}

static void
refuse(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, const struct veto *veto)
{
	size_t end = command_shown(line, len, command);
	size_t shown = end > command->arg_at ? end - command->arg_at : 0;
	const char *colon = veto->why != NULL ? ": " : "";
	const char *why = veto->why != NULL ? veto->why : "";
	char name[NAME_SIZE];

	name_of(command, line, end, name);
	engine_logf(engine, ENGINE_WARN, "refused %s \"%.*s%s\": %s%s%s%s%s",
	    name, shown < SHOWN ? (int)shown : SHOWN,
	    (const char *)line + command->arg_at,
	    end < line_text_len(line, len) ? "****" : "", veto->policy, colon,
	    why, veto->rule != NULL ? " " : "",
	    veto->rule != NULL ? veto->rule : "");
	exchange_local(engine, "550 %s is not allowed here (culvert: %s%s%s).",
	    name, veto->policy, colon, why);
	/* Or the REST would apply to the next transfer. */
	if ((command->flags & (VERB_SENDS | VERB_RECEIVES)) != 0)
		exchange_void_rest(engine);
}

bool
policy_is_on(const struct engine *engine)
{
	const struct engine_policy *policy = engine->config.policy;

	return policy != NULL &&
	    (policy->read_only || policy->n_deny > 0 ||
		paths_have_rules(engine));
}

bool
policy_apply(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct veto veto = { .policy = NULL };

	if (policy_is_on(engine))
		veto = find_veto(engine, command, line, len);
	if (veto.policy != NULL)
		refuse(engine, command, line, len, &veto);
	else
		cwd_pass(engine, command);
	return veto.policy != NULL;
}
