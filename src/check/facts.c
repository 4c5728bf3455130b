/*
 * The facts that culvert check has found out, and how it reads them from the
 * output of ssh -v.
 */
#include "check/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

static const struct {
	const char *name; /* in capitals */
	enum fact_scope scope;
} table[FACTS] = {
#define FACT(id, scope) [FACT_##id] = { #id, SCOPE_##scope },
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
fact_escape(struct facts *facts, enum fact_id id, const char *text)
{
	log_escape(facts->text[id], FACT_MAX, text, strlen(text));
}

void
fact_escape_line(struct facts *facts, enum fact_id id, const char *text)
{
	log_escape(facts->text[id], FACT_MAX, text, strcspn(text, "\r\n"));
}

void
facts_forget(struct facts *facts, enum fact_scope scope)
{
	for (size_t id = 0; id < FACTS; id++)
		if (table[id].scope == scope)
			facts->text[id][0] = '\0';
}

enum fact_id
facts_find(const char *name, size_t len)
{
	enum fact_id id = 0;

	while (id < FACTS &&
	    (strlen(table[id].name) != len ||
		strncasecmp(table[id].name, name, len) != 0))
		id++;
	return id;
}

/* ---- what ssh -v prints ---- */

/*
 * Lines that contain a fact: it is the text between start and the first letter
 * that is in end. If several lines contain the same fact, the last one counts,
 * because the lines about a jump host come before those about the destination.
 */
static const struct {
	enum fact_id id;
	const char *begins; /* how the line begins; "": any line */
	const char *start;  /* anywhere in the line */
	const char *end;    /* any of these letters; "": the line's end; NULL:
			     * the fact is a flag */
	bool late;	    /* also counts after ssh has accepted the host key;
			     * from then on a banner of sshd may contain the
			     * texts of the others */
} patterns[] = {
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
	/* The version of the next host's sshd comes before "Authenticating
	 * to". */
	{ FACT_SSHD, "debug1: ", "remote software version ", "", true },
	{ FACT_NOT_FORWARDED,
	    "debug1: Remote: Server has disabled port forwarding",
	    "Remote: ", "", true },
	{ FACT_NOT_FORWARDED, "debug1: Remote: Port forwarding not permitted",
	    "Remote: ", "", true },
	{ FACT_METHOD, "Authenticated to ", "using \"", "\"", true },
	{ FACT_OFFER, "", "Their offer: ", "", false },
	{ FACT_KEY_FILE, "Permissions 0", "for '", "'", true },
	{ FACT_HOST_ACCEPTED, "debug1: ", "SSH2_MSG_NEWKEYS received", NULL,
	    true },
	{ FACT_PARTIAL, "", "\" with partial success.", NULL, true },
	{ FACT_TYPED, "debug1: ", "Next authentication method: password", NULL,
	    true },
	{ FACT_TYPED, "debug1: ", "Next authentication method: keyboard-", NULL,
	    true },
	{ FACT_NO_TERMINAL, "", "read_passphrase: can't open /dev/tty", NULL,
	    true },
	{ FACT_NO_ALGORITHM, "", "no mutual signature algorithm", NULL, true },
};

/* ssh's messages about a failure.  If it has printed several, the one that
 * comes first in this table is the cause. */
static const struct {
	const char *words;
	enum finding finding;
	bool late; /* as in patterns */
} failures[] = {
	{ "REVOKED HOST KEY DETECTED", HOST_KEY_REVOKED, false },
	{ "REMOTE HOST IDENTIFICATION HAS CHANGED", HOST_KEY_CHANGED, false },
	{ " host key is known for ", HOST_KEY_UNKNOWN, false },
	{ "Host key verification failed", HOST_KEY_UNKNOWN, false },
	{ "no matching host key type found", HOST_KEY_NONE_COMMON, false },
	{ "no matching key exchange method found", KEX_NONE_COMMON, false },
	{ "no matching cipher found", CIPHER_NONE_COMMON, false },
	{ "no matching MAC found", MAC_NONE_COMMON, false },
	/* The message about the option comes before that about the file. */
	{ "Bad configuration option", SSH_CONFIG_WRONG, true },
	{ "bad configuration options", SSH_CONFIG_WRONG, true },
	{ "Bad owner or permissions on", SSH_CONFIG_WRONG, true },
	{ "Permissions 0", LOGIN_KEY_READABLE, true },
	{ "Too many authentication failures", LOGIN_TOO_MANY, true },
	{ "Permission denied (", LOGIN_DENIED, true },
	{ "Could not resolve hostname", SSH_FAILED, true },
	{ "Connection refused", SSH_FAILED, true },
	{ "Connection timed out", SSH_FAILED, true },
	/* judge_ssh() decides whether it was at the login. */
	{ "kex_exchange_identification: ", LOGIN_CLOSED, true },
	{ "Connection closed by ", LOGIN_CLOSED, true },
	{ "Connection reset by ", LOGIN_CLOSED, true },
};

#define N_FAILURES (sizeof(failures) / sizeof(failures[0]))

static void
read_failure(struct facts *facts, const char *line)
{
	size_t i = 0;

	while (i < N_FAILURES && strstr(line, failures[i].words) == NULL)
		i++;
	if (i == N_FAILURES ||
	    (facts->failure != 0 && i + 1 >= facts->failure) ||
	    (fact_known(facts, FACT_HOST_ACCEPTED) && !failures[i].late))
		return;
	facts->failure = i + 1;
	fact_set(facts, FACT_SSH_WHY, line);
}

enum finding
facts_failure(const struct facts *facts)
{
	return facts->failure == 0 ? SSH_FAILED :
				     failures[facts->failure - 1].finding;
}

/* Returns the text after start, up to the first letter that is in end; NULL if
 * the line does not contain start. */
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
read_fact(struct facts *facts, const char *line)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const char *begins = patterns[i].begins, *at = NULL;
		enum fact_id id = patterns[i].id;
		int len = 0;

		if (fact_known(facts, FACT_HOST_ACCEPTED) && !patterns[i].late)
			continue;
		if (strncmp(line, begins, strlen(begins)) == 0)
			at = between(line, patterns[i].start,
			    patterns[i].end != NULL ? patterns[i].end : "",
			    &len);
		if (at != NULL && patterns[i].end == NULL)
			fact_set(facts, id, "yes");
		else if (at != NULL)
			fact_format(facts, id, "%.*s", len, at);
	}
}

/* "debug1: Remote: FILE:LINE: key options: ..." */
static void
read_key(struct facts *facts, const char *line)
{
	static const char start[] = "debug1: Remote: ";
	static const char options[] = ": key options:";
	const char *at = strstr(line, options);

	if (strncmp(line, start, strlen(start)) != 0 || at == NULL)
		return;
	line += strlen(start);
	fact_format(facts, FACT_KEY_PLACE, "%.*s", (int)(at - line), line);
	/* Because of the space, the fact is known even if there are no
	 * options. */
	fact_format(facts, FACT_KEY_OPTIONS, "%s ", at + strlen(options));
}

/* Adds a key to the list of keys that ssh has offered. */
static void
read_offered(struct facts *facts, const char *line)
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

/* When sshd has accepted a key, it waits for a signature.  Then either sshd
 * refuses the login, or ssh cannot sign and tries the next key or method. */
static void
read_signature(struct facts *facts, const char *line)
{
	bool signing = fact_known(facts, FACT_SIGNING);

	if (strstr(line, "debug1: Server accepts key: ") != NULL) {
		fact_set(facts, FACT_SIGNING, "yes");
		fact_set(facts, FACT_REFUSED, "");
	} else if (strstr(line, "debug1: Authentications that can") != NULL) {
		if (signing)
			fact_set(facts, FACT_REFUSED, "yes");
		fact_set(facts, FACT_SIGNING, "");
	} else if (strstr(line, "Offering public key: ") != NULL ||
	    strstr(line, "debug1: Next authentication method") != NULL) {
		fact_set(facts, FACT_SIGNING, "");
	}
}

/* When ssh begins to log in to the next host, forgets what was known about the
 * last one.  Without a jump host there is no next host; then such a line comes
 * from a banner of sshd. */
static void
read_next_host(struct facts *facts, const char *line)
{
	static const char start[] = "debug1: Authenticating to ";

	if (strncmp(line, start, strlen(start)) != 0 ||
	    (fact_known(facts, FACT_HOST_ACCEPTED) &&
		!fact_known(facts, FACT_PROXY)))
		return;
	facts_forget(facts, SCOPE_HOST);
	fact_set(facts, FACT_HOST_ACCEPTED, "");
	if (facts_failure(facts) == HOST_KEY_CHANGED)
		facts->failure = 0;
}

/* Stores FILE, if the place of the host key is FILE:LINE. */
static void
note_known_hosts(struct facts *facts)
{
	const char *place = fact(facts, FACT_HOST_KEY_PLACE);
	const char *colon = strrchr(place, ':');

	if (colon != NULL)
		fact_format(facts, FACT_KNOWN_HOSTS, "%.*s",
		    (int)(colon - place), place);
}

/* Removes the markers after the algorithms; they are not algorithms. */
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
facts_read_line(struct facts *facts, const char *line)
{
	read_next_host(facts, line);
	read_fact(facts, line);
	read_signature(facts, line);
	read_key(facts, line);
	read_offered(facts, line);
	read_failure(facts, line);
	note_known_hosts(facts);
	trim_offer(facts);
}

/* ---- what follows from the facts ---- */

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
