/*
 * What culvert check has found out.
 */
#include "check/facts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const struct {
	const char *name;
	enum fact_type type;
	enum fact_source source;
} table[FACTS] = {
#define FACT(id, name, type, source) \
	[FACT_##id] = { name, FACT_##type, FROM_##source },
#include "check/facts.def"
#undef FACT
};

const char *
fact(const struct facts *facts, enum fact_id id)
{
	return facts->text[id];
}

bool
fact_known(const struct facts *facts, enum fact_id id)
{
	return facts->text[id][0] != '\0';
}

void
fact_text(char text[FACT_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, FACT_MAX, format, args);
	va_end(args);
}

void
fact_text_escape(char text[FACT_MAX], const void *bytes, size_t len)
{
	log_escape(text, FACT_MAX, bytes, len);
}

void
fact_set(struct facts *facts, enum fact_id id, const char *text)
{
	fact_text(facts->text[id], "%s", text);
}

void
fact_format(struct facts *facts, enum fact_id id, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(facts->text[id], FACT_MAX, format, args);
	va_end(args);
}

void
fact_set_flag(struct facts *facts, enum fact_id id, bool flag)
{
	assert(table[id].type == FACT_FLAG);
	fact_set(facts, id, flag ? "yes" : "");
}

void
fact_escape(struct facts *facts, enum fact_id id, const char *text)
{
	fact_text_escape(facts->text[id], text, strlen(text));
}

void
fact_escape_line(struct facts *facts, enum fact_id id, const char *text)
{
	fact_text_escape(facts->text[id], text, strcspn(text, "\r\n"));
}

void
facts_forget(struct facts *facts, enum fact_source source)
{
	for (size_t id = 0; id < FACTS; id++)
		if (table[id].source == source)
			facts->text[id][0] = '\0';
}

enum fact_id
facts_find(const char *name, size_t len)
{
	enum fact_id id = 0;

	while (id < FACTS &&
	    (strlen(table[id].name) != len ||
		memcmp(table[id].name, name, len) != 0))
		id++;
	return id;
}

/* ---- what ssh -v prints ---- */

/*
 * Lines that tell a fact: the text behind start, up to the first letter of end.
 * When several lines tell the same fact, the last one counts: a jump host comes
 * before the destination.
 */
static const struct {
	enum fact_id id;
	const char *begins; /* the line; "": any line */
	const char *start;  /* anywhere in it */
	const char *end;    /* any of these letters; "": the line's end */
	bool late;	    /* also counts once the host key is accepted */
} heard[] = {
	{ FACT_KEX, "debug1: ", "kex: algorithm: ", "", false },
	{ FACT_CIPHER, "debug1: ", "kex: server->client cipher: ", " ", false },
	{ FACT_HOST_KEY, "debug1: ", "Server host key: ", "", false },
	{ FACT_HOST_KEY_NAME, "debug1: ", "using hostkeyalias: ", "", false },
	{ FACT_HOST_KEY_PLACE, "debug1: ", "Found key in ", "", false },
	{ FACT_HOST_KEY_PLACE, "Offending ", "key in ", "", false },
	{ FACT_METHODS, "debug1: ", "Authentications that can continue: ", "",
	    true },
	{ FACT_LOGIN_AT, "debug1: ", "Authenticating to ", " ", false },
	{ FACT_ACCEPTED, "debug1: ", "Server accepts key: ", " ", true },
	/* That of the next host comes before "Authenticating to". */
	{ FACT_SSHD, "debug1: ", "remote software version ", "", true },
	{ FACT_NOT_FORWARDED,
	    "debug1: Remote: Server has disabled port forwarding",
	    "Remote: ", "", true },
	{ FACT_NOT_FORWARDED, "debug1: Remote: Port forwarding not permitted",
	    "Remote: ", "", true },
	{ FACT_METHOD, "Authenticated to ", "using \"", "\"", true },
	{ FACT_OFFER, "", "Their offer: ", "", false },
	{ FACT_KEY_FILE, "Permissions 0", "for '", "'", true },
	/* Flags. */
	{ FACT_HOST_ACCEPTED, "", "debug1: SSH2_MSG_NEWKEYS received", "",
	    true },
	{ FACT_PARTIAL, "", "\" with partial success.", "", true },
	{ FACT_TYPED, "", "debug1: Next authentication method: password", "",
	    true },
	{ FACT_TYPED, "", "debug1: Next authentication method: keyboard-", "",
	    true },
	{ FACT_NO_TERMINAL, "", "read_passphrase: can't open /dev/tty", "",
	    true },
	{ FACT_NO_ALGORITHM, "", "no mutual signature algorithm", "", true },
};

/* ssh's messages for a failure.  Of those that it has printed, the one that
 * comes first in this table is the cause. */
static const struct {
	const char *words;
	enum ssh_failure failure;
} failures[] = {
	{ "REVOKED HOST KEY DETECTED", SSH_HOST_KEY_REVOKED },
	{ "REMOTE HOST IDENTIFICATION HAS CHANGED", SSH_HOST_KEY_CHANGED },
	{ " host key is known for ", SSH_HOST_KEY_UNKNOWN },
	{ "Host key verification failed", SSH_HOST_KEY_UNKNOWN },
	{ "no matching host key type found", SSH_NO_COMMON_HOST_KEY },
	{ "no matching key exchange method found", SSH_NO_COMMON_KEX },
	{ "no matching cipher found", SSH_NO_COMMON_CIPHER },
	{ "no matching MAC found", SSH_NO_COMMON_MAC },
	{ "bad configuration options", SSH_CONFIGURATION },
	{ "Bad configuration option", SSH_CONFIGURATION },
	{ "Bad owner or permissions on", SSH_CONFIGURATION },
	{ "Permissions 0", SSH_KEY_PERMISSIONS },
	{ "Too many authentication failures", SSH_TOO_MANY_KEYS },
	{ "Permission denied (", SSH_DENIED },
	{ "Could not resolve hostname", SSH_UNKNOWN_NAME },
	{ "Connection refused", SSH_REFUSED },
	{ "Connection timed out", SSH_SILENT },
	{ "kex_exchange_identification: ", SSH_CLOSED },
	{ "Connection closed by ", SSH_CLOSED },
	{ "Connection reset by ", SSH_CLOSED },
};

#define N_FAILURES (sizeof(failures) / sizeof(failures[0]))

/* Does that row come before the row of the failure found so far? */
static bool
is_nearer(const struct facts *facts, size_t row)
{
	size_t i = 0;

	while (i < N_FAILURES && failures[i].failure != facts->ssh_failure)
		i++;
	return row < i;
}

static void
hear_failure(struct facts *facts, const char *line)
{
	size_t i = 0;

	while (i < N_FAILURES && strstr(line, failures[i].words) == NULL)
		i++;
	/* Once the host key is accepted, a banner may have such words. */
	if (i == N_FAILURES || !is_nearer(facts, i) ||
	    (fact_known(facts, FACT_HOST_ACCEPTED) &&
		failures[i].failure <= SSH_NO_COMMON_MAC))
		return;
	facts->ssh_failure = failures[i].failure;
	fact_set(facts, FACT_SSH_WHY, line);
}

/* The text behind start, up to any letter of end; NULL if there is none. */
static const char *
between(const char *line, const char *start, const char *end, int *ret_len)
{
	const char *at = strstr(line, start);

	if (at == NULL)
		return NULL;
	at += strlen(start);
	*ret_len = (int)(*end != '\0' ? strcspn(at, end) : strlen(at));
	return at;
}

static void
hear_fact(struct facts *facts, const char *line)
{
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) {
		const char *begins = heard[i].begins, *at = NULL;
		enum fact_id id = heard[i].id;
		int len = 0;

		if (fact_known(facts, FACT_HOST_ACCEPTED) && !heard[i].late)
			continue;
		if (strncmp(line, begins, strlen(begins)) == 0)
			at = between(line, heard[i].start, heard[i].end, &len);
		if (at != NULL && table[id].type == FACT_FLAG)
			fact_set_flag(facts, id, true);
		else if (at != NULL)
			fact_format(facts, id, "%.*s", len, at);
	}
}

/* "debug1: Remote: FILE:LINE: key options: ..." */
static void
hear_key(struct facts *facts, const char *line)
{
	static const char start[] = "debug1: Remote: ";
	static const char options[] = ": key options:";
	const char *at = strstr(line, options);

	if (strncmp(line, start, strlen(start)) != 0 || at == NULL)
		return;
	line += strlen(start);
	fact_format(facts, FACT_KEY_PLACE, "%.*s", (int)(at - line), line);
	/* The space makes it known, even when there are no options. */
	fact_format(facts, FACT_KEY_OPTIONS, "%s ", at + strlen(options));
}

/* Adds a key to the list of those that were offered. */
static void
hear_offered(struct facts *facts, const char *line)
{
	char before[FACT_MAX];
	int len = 0;
	const char *at = between(line, "Offering public key: ", " ", &len);

	if (at == NULL)
		return;
	fact_text(before, "%s", fact(facts, FACT_KEYS));
	fact_format(facts, FACT_KEYS, "%s%s%.*s", before,
	    before[0] != '\0' ? ", " : "", len, at);
}

/* sshd accepts a key by its name, and then waits for a signature.  What follows
 * is a refusal, or, when ssh could not sign, the next key or method. */
static void
hear_signature(struct facts *facts, const char *line)
{
	bool signing = fact_known(facts, FACT_SIGNING);

	if (strstr(line, "debug1: Server accepts key: ") != NULL) {
		fact_set_flag(facts, FACT_SIGNING, true);
		fact_set_flag(facts, FACT_REFUSED, false);
	} else if (strstr(line, "debug1: Authentications that can") != NULL) {
		if (signing)
			fact_set_flag(facts, FACT_REFUSED, true);
		fact_set_flag(facts, FACT_SIGNING, false);
	} else if (strstr(line, "Offering public key: ") != NULL ||
	    strstr(line, "debug1: Next authentication method") != NULL) {
		fact_set_flag(facts, FACT_SIGNING, false);
	}
}

/* The login on the next host begins, of which nothing is known yet.  Without a
 * jump host there is none, and the line is from a banner of sshd. */
static void
hear_next_host(struct facts *facts, const char *line)
{
	static const char start[] = "debug1: Authenticating to ";

	if (strncmp(line, start, strlen(start)) != 0 ||
	    (fact_known(facts, FACT_HOST_ACCEPTED) &&
		!fact_known(facts, FACT_PROXY)))
		return;
	facts_forget(facts, FROM_SSH_HOST);
	fact_set_flag(facts, FACT_HOST_ACCEPTED, false);
	if (facts->ssh_failure == SSH_HOST_KEY_CHANGED)
		facts->ssh_failure = SSH_NO_FAILURE;
}

/* The FILE of FILE:LINE. */
static void
note_known_hosts(struct facts *facts)
{
	const char *place = fact(facts, FACT_HOST_KEY_PLACE);
	const char *colon = strrchr(place, ':');

	if (colon != NULL)
		fact_format(facts, FACT_KNOWN_HOSTS, "%.*s",
		    (int)(colon - place), place);
}

/* Removes the markers behind the algorithms, which name none. */
static void
trim_offer(struct facts *facts)
{
	static const char *const marks[] = { ",kex-strict-", ",ext-info-" };
	char *offer = facts->text[FACT_OFFER];

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char *at = strstr(offer, marks[i]);

		if (at != NULL)
			*at = '\0';
	}
}

void
facts_hear(struct facts *facts, const char *line)
{
	hear_next_host(facts, line);
	hear_fact(facts, line);
	hear_signature(facts, line);
	hear_key(facts, line);
	hear_offered(facts, line);
	hear_failure(facts, line);
	note_known_hosts(facts);
	trim_offer(facts);
}

/* ---- what follows from the facts ---- */

bool
facts_key_known(const struct facts *facts)
{
	return fact_known(facts, FACT_KEY_OPTIONS);
}

bool
facts_key_has(const struct facts *facts, const char *word)
{
	char spaced[64];

	snprintf(spaced, sizeof(spaced), " %s ", word);
	return strstr(fact(facts, FACT_KEY_OPTIONS), spaced) != NULL;
}

bool
facts_kex_is_post_quantum(const struct facts *facts)
{
	return strstr(fact(facts, FACT_KEX), "sntrup761") != NULL ||
	    strstr(fact(facts, FACT_KEX), "mlkem") != NULL;
}

bool
facts_cipher_is_old(const struct facts *facts)
{
	return strstr(fact(facts, FACT_CIPHER), "-cbc") != NULL ||
	    strstr(fact(facts, FACT_CIPHER), "arcfour") != NULL;
}

bool
facts_sshd_has_no_delay(const struct facts *facts)
{
	static const char name[] = "OpenSSH_", update[] = " Debian-7+deb13u";
	const char *at = strstr(fact(facts, FACT_SSHD), name);
	const char *debian = strstr(fact(facts, FACT_SSHD), update);
	char *end;
	unsigned long major, minor;

	if (at == NULL)
		return false;
	major = strtoul(at + strlen(name), &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major == 10 && minor == 0 && debian != NULL)
		return strtoul(debian + strlen(update), NULL, 10) >= 3;
	return major > 10 || (major == 10 && minor >= 1);
}
