/*
 * Makes the texts that culvert check prints, from findings and facts.
 */
#include "check/advice.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Where a fix is made. */
#define SSHD_CONFIG "sshd_config of {host}" /* of the SSH server */
#define AUTHORIZED_KEYS "~{user}/.ssh/authorized_keys of {host}"
#define KEY_LINE "{key_place} of {host}, in front of the key"
#define SSH_CONFIG "~/.ssh/config of this host"
#define THIS_HOST "run on this host" /* a command */
#define HERE "this host"	     /* something else to do there */
#define NETRC "{netrc}"
#define CULVERT "{culvert}" /* its own command line, or configuration */
#define FAR_HOST "{host}"   /* the SSH server's host */
#define SERVER_HOST "the FTP server's host"

struct row {
	const char *step;
	enum advice_status status;
	const char *text;
	struct {
		const char *place;
		const char *texts[2];	 /* the line, and a remark, or NULL */
		enum server_topic topic; /* a setting of the FTP server,
					  * instead of a place and a line */
		struct suggest_change change;
	} fixes[ADVICE_FIXES];
};

/* ---- fixes that several findings share ---- */

/* How to put a line into sshd_config.  sshd uses the first line with a keyword,
 * but a line in a matching Match block overrides that. */
#define IN_PLACE "replace the existing line, also in a Match block"
#define ADDED "add the value to the existing line, or replace \"none\" in it"

#define FIX_PERMIT_LISTEN \
	FIX(SSHD_CONFIG, "PermitListen {permitlisten}:*", ADDED)
#define FIX_NEW_KEY_LINE \
	FIX(KEY_LINE, "{key_line}", "replace the existing options")
#define FIX_ACTIVE_MODE \
	FIX(CULVERT, "--server-mode active", "if active mode works")
#define FIX_IN_TERMINAL \
	FIX(HERE, "run the same command in a terminal, without --batch")

/* sshd gives the same answer to a user who may not log in and to a user whose
 * key it does not know. */
#define FIX_SEE_LOG                                                     \
	FIX(FAR_HOST, "journalctl -u ssh | grep 'not allowed because'", \
	    "a line with {user} shows that this user may not log in")
#define FIX_ALLOW_USER                                                  \
	FIX(SSHD_CONFIG, "AllowUsers {user}",                           \
	    "add {user} to that line, or its group to AllowGroups, if " \
	    "there is one; and remove both from DenyUsers and DenyGroups")

/* A session has printed that the account or its password has expired.  But that
 * may also be, for example, the output of a forced command. */
#define FIX_NEW_PASSWORD                                                   \
	FIX(THIS_HOST, "{ssh_command} -t",                                 \
	    "in a terminal; it asks for a new password")                   \
	FIX(FAR_HOST, "passwd {'user}", "as root")                         \
	FIX(FAR_HOST, "usermod -e '' {'user}",                             \
	    "as root, if the account has expired")                         \
	FIX(FAR_HOST,                                                      \
	    "sshd -T -C user={'user},host=localhost,addr=127.0.0.1 "       \
	    "| grep -iE 'forwarding|permit(open|listen)'",                 \
	    "as root, if nothing has expired; shows the settings of sshd " \
	    "that can forbid forwarding")

#define FIX(where, ...) { .place = (where), .texts = { __VA_ARGS__ } },
#define FIX_SERVER(about, remark) \
	{ .topic = TOPIC_##about, .texts = { NULL, remark } },
#define FIX_CHANGE(what, option, new, where, ...)   \
	{ .place = (where),                         \
		.texts = { __VA_ARGS__ },           \
		.change = { .part = SUGGEST_##what, \
		    .name = (option),               \
		    .value = (new) } },

static const struct row rows[FINDINGS] = {
#define FINDING(id, named, how_bad, words) \
	[id] = { .step = (named), .status = ADVICE_##how_bad, .text = (words) },
#define FIXABLE(id, named, how_bad, words, ...) \
	[id] = { .step = (named),               \
		.status = ADVICE_##how_bad,     \
		.text = (words),                \
		.fixes = { __VA_ARGS__ } },
#include "check/findings.def"
};

const char *
advice_status_name(enum advice_status status)
{
	static const char *const names[] = {
		[ADVICE_OK] = "ok",
		[ADVICE_SKIPPED] = "skipped",
		[ADVICE_NOTE] = "note",
		[ADVICE_UNTRIED] = "untried",
		[ADVICE_WRONG] = "WRONG",
	};

	return names[status];
}

enum advice_status
advice_worst(enum finding finding)
{
	return rows[finding].status;
}

struct suggest_change
advice_change(enum finding finding)
{
	const struct row *row = &rows[finding];
	size_t i = 0;

	while (i + 1 < ADVICE_FIXES &&
	    row->fixes[i].change.part == SUGGEST_NOTHING)
		i++;
	return row->fixes[i].change;
}

/* Finds the text for {name}; for {'name} it is quoted as one word for a shell.
 */
static void
find_value(const struct facts *facts, const char *name, size_t len,
    char ret[4 * FACT_MAX])
{
	bool quoted = *name == '\'';
	enum fact_id id = facts_find(name + quoted, len - quoted);

	assert(id < FACTS);
	if (!quoted)
		snprintf(ret, 4 * FACT_MAX, "%s", fact(facts, id));
	else
		suggest_word(fact(facts, id), ret, 4 * FACT_MAX);
}

/* Replaces the names of facts, in braces, with the facts. */
static void
expand(const struct facts *facts, const char *text, char *ret, size_t size)
{
	size_t len = 0;

	while (*text != '\0' && len + 1 < size) {
		const char *end = *text == '{' ? strchr(text, '}') : NULL;
		char value[4 * FACT_MAX];
		int n;

		if (end == NULL) {
			ret[len++] = *text++;
			continue;
		}
		find_value(facts, text + 1, (size_t)(end - text) - 1, value);
		n = snprintf(ret + len, size - len, "%s", value);
		len += (size_t)n < size - len ? (size_t)n : size - len - 1;
		text = end + 1;
	}
	ret[len] = '\0';
}

void
advice_make(enum finding finding, const struct facts *facts, struct advice *ret)
{
	const struct row *row = &rows[finding];

	expand(facts, row->step, ret->step, sizeof(ret->step));
	ret->status = row->status;
	expand(facts, row->text, ret->text, sizeof(ret->text));
	for (ret->n_fixes = 0; ret->n_fixes < ADVICE_FIXES; ret->n_fixes++) {
		struct advice_fix *fix = &ret->fixes[ret->n_fixes];
		const char *place = row->fixes[ret->n_fixes].place;
		const char *put = row->fixes[ret->n_fixes].texts[0];
		const char *remark = row->fixes[ret->n_fixes].texts[1];
		enum server_topic topic = row->fixes[ret->n_fixes].topic;

		if (topic != TOPIC_NONE) {
			place = server_place(facts->kind);
			put = server_setting(facts->kind, topic);
		}
		if (place == NULL)
			break;
		expand(facts, place, fix->place, sizeof(fix->place));
		expand(facts, put, fix->put, sizeof(fix->put));
		expand(facts, remark != NULL ? remark : "", fix->remark,
		    sizeof(fix->remark));
	}
}
