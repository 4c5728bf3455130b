/*
 * What culvert check prints: findings and facts into texts.
 */
#include "check/advice.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "check/advice_priv.h"

static const char *const places[] = {
	[SSHD_CONFIG] = "sshd_config of {host}",
	[AUTHORIZED_KEYS] = "~{user}/.ssh/authorized_keys of {host}",
	[KEY_LINE] = "{key_place} of {host}, in front of the key",
	[SSH_CONFIG] = "~/.ssh/config of this host",
	[THIS_HOST] = "run on this host",
	[HERE] = "this host",
	[NETRC] = "{netrc}",
	[CULVERT] = "{culvert}",
	[FAR_HOST] = "{host}",
	[SERVER_HOST] = "the FTP server's host",
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
	return advice_row(finding)->status;
}

struct suggest_change
advice_change(enum finding finding)
{
	return advice_row(finding)->change;
}

/* The value of {name}; that of {'name} is quoted as one word of a shell. */
static void
find_value(const struct facts *facts, const char *name, size_t len,
    char ret[4 * FACT_MAX])
{
	bool quoted = *name == '\'';
	enum fact_id id = facts_find(name + quoted, len - quoted);

	assert(id < FACTS);
	if (!quoted)
		snprintf(ret, 4 * FACT_MAX, "%s", fact(facts, id));
	else if (!suggest_word(fact(facts, id), ret, 4 * FACT_MAX))
		ret[0] = '\0';
}

/* Puts the facts in the place of their names. */
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

static void
make_fix(const struct row *row, size_t i, const struct facts *facts,
    struct advice_fix *fix)
{
	enum place place = row->fixes[i].place;
	bool server = place == FTP_SERVER;

	expand(facts, server ? server_place(facts->kind) : places[place],
	    fix->place, sizeof(fix->place));
	expand(facts,
	    server ? server_setting(facts->kind, row->topic) :
		     row->fixes[i].put,
	    fix->put, sizeof(fix->put));
	expand(facts, row->fixes[i].remark != NULL ? row->fixes[i].remark : "",
	    fix->remark, sizeof(fix->remark));
}

void
advice_make(enum finding finding, const struct facts *facts, struct advice *ret)
{
	const struct row *row = advice_row(finding);

	expand(facts, row->step, ret->step, sizeof(ret->step));
	ret->status = row->status;
	ret->n_fixes = 0;
	expand(facts, row->text, ret->text, sizeof(ret->text));
	while (ret->n_fixes < ADVICE_FIXES &&
	    row->fixes[ret->n_fixes].place != PLACE_NONE) {
		make_fix(row, ret->n_fixes, facts, &ret->fixes[ret->n_fixes]);
		ret->n_fixes++;
	}
}
