/*
 * The file ~/.netrc.
 */
#include "check/netrc.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct reader {
	const char *at;
	const char *end;
	char word[NETRC_WORD_MAX];
};

/* The entry being read. */
struct entry {
	bool any;     /* an entry has begun */
	bool matches; /* it is for the machine, or is "default" */
	bool has_user;
	bool has_password;
	struct netrc_login login;
};

static bool
netrc_is_blank(char letter)
{
	return letter == ' ' || letter == '\t' || letter == '\n' ||
	    letter == '\r' || letter == ',';
}

static void
netrc_skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && netrc_is_blank(*reader->at))
		reader->at++;
}

static void
skip_line(struct reader *reader)
{
	while (reader->at < reader->end && *reader->at != '\n')
		reader->at++;
}

/* A comma inside a word is part of it, for example in a password. */
static bool
ends_word(const struct reader *reader)
{
	const char *next = reader->at + 1;

	return netrc_is_blank(*reader->at) &&
	    (*reader->at != ',' || next == reader->end ||
		netrc_is_blank(*next));
}

/* Comments may stand before a keyword. */
static void
skip_comments(struct reader *reader)
{
	netrc_skip_blanks(reader);
	while (reader->at < reader->end && *reader->at == '#') {
		skip_line(reader);
		netrc_skip_blanks(reader);
	}
}

/* Returns 1 for a word, 0 at the end, or -EINVAL. */
static int
netrc_next_word(struct reader *reader)
{
	size_t len = 0;
	bool quoted;

	netrc_skip_blanks(reader);
	if (reader->at == reader->end)
		return 0;
	quoted = *reader->at == '"';
	reader->at += quoted;
	while (reader->at < reader->end &&
	    (quoted ? *reader->at != '"' : !ends_word(reader))) {
		if (*reader->at == '\\' && reader->at + 1 < reader->end)
			reader->at++;
		if (len + 1 == sizeof(reader->word) || *reader->at == '\0')
			return -EINVAL;
		reader->word[len++] = *reader->at++;
	}
	reader->at += quoted && reader->at < reader->end;
	reader->word[len] = '\0';
	return 1;
}

/* A macro ends with an empty line. */
static void
skip_macro(struct reader *reader)
{
	do {
		skip_line(reader);
		reader->at += reader->at < reader->end;
	} while (reader->at < reader->end && *reader->at != '\n');
}

/* Takes a keyword and its value; the keyword is in the reader. */
static int
take_pair(struct reader *reader, struct entry *entry)
{
	char name[16];
	char *to = NULL;
	int got;

	if (strlen(reader->word) >= sizeof(name))
		return -EINVAL;
	memcpy(name, reader->word, strlen(reader->word) + 1);
	got = netrc_next_word(reader);
	if (got <= 0)
		return -EINVAL;
	if (strcmp(name, "login") == 0)
		to = entry->login.user;
	else if (strcmp(name, "password") == 0)
		to = entry->login.password;
	else if (strcmp(name, "account") != 0)
		return -EINVAL;
	entry->has_user |= to == entry->login.user;
	entry->has_password |= to == entry->login.password;
	if (to != NULL)
		memcpy(to, reader->word, strlen(reader->word) + 1);
	return 0;
}

/* Is this entry, which is complete, the one to find? */
static bool
netrc_fits(const struct entry *entry, const char *user)
{
	if (!entry->any || !entry->matches || !entry->has_password)
		return false;
	if (user == NULL)
		return entry->has_user;
	return !entry->has_user || strcmp(entry->login.user, user) == 0;
}

/* Takes the keyword in the reader, and what belongs to it.  Returns 0 or
 * -EINVAL. */
static int
take_keyword(struct reader *reader, const char *machine, const char *user,
    struct entry *entry)
{
	if (strcmp(reader->word, "default") == 0) {
		*entry = (struct entry) { .any = true };
		entry->matches = user != NULL;
		return 0;
	}
	if (strcmp(reader->word, "machine") == 0) {
		*entry = (struct entry) { .any = true };
		if (netrc_next_word(reader) <= 0)
			return -EINVAL;
		entry->matches = strcmp(reader->word, machine) == 0;
		return 0;
	}
	if (strcmp(reader->word, "macdef") == 0) {
		skip_macro(reader);
		return 0;
	}
	return entry->any ? take_pair(reader, entry) : -EINVAL;
}

static bool
ends_entry(const struct reader *reader)
{
	return strcmp(reader->word, "machine") == 0 ||
	    strcmp(reader->word, "default") == 0;
}

int
netrc_find(const char *text, size_t len, const char *machine, const char *user,
    struct netrc_login *ret)
{
	struct reader reader = { .at = text, .end = text + len };
	struct entry entry = { .any = false };
	int got, err = 0;

	for (;;) {
		skip_comments(&reader);
		got = netrc_next_word(&reader);
		if (got != 1 ||
		    (ends_entry(&reader) && netrc_fits(&entry, user)))
			break;
		err = take_keyword(&reader, machine, user, &entry);
		if (err != 0)
			break;
	}
	if (err != 0 || got < 0) {
		err = -EINVAL;
	} else if (!netrc_fits(&entry, user)) {
		err = -ENOENT;
	} else {
		*ret = entry.login;
		if (user != NULL && !entry.has_user &&
		    strlen(user) < sizeof(ret->user))
			memcpy(ret->user, user, strlen(user) + 1);
	}
	explicit_bzero(&entry, sizeof(entry));
	explicit_bzero(&reader, sizeof(reader));
	return err;
}
