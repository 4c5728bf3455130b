/*
 * What the doctor has found out.
 */
#include "check/facts.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define FACT(field)                                   \
	{                                             \
#field, offsetof(struct facts, field) \
	}

static const struct {
	const char *name;
	size_t at;
} fields[] = {
	FACT(destination),
	FACT(config),
	FACT(nearest),
	FACT(ssh_command),
	FACT(culvert),
	FACT(host),
	FACT(port),
	FACT(user),
	FACT(proxy),
	FACT(addresses),
	FACT(address),
	FACT(tcp_ms),
	FACT(sshd),
	FACT(kex),
	FACT(cipher),
	FACT(host_key),
	FACT(host_key_name),
	FACT(host_key_place),
	FACT(known_hosts),
	FACT(methods),
	FACT(keys),
	FACT(accepted),
	FACT(method),
	FACT(offer),
	FACT(key_file),
	FACT(key_place),
	FACT(key_options),
	FACT(session),
	FACT(not_forwarded),
	FACT(ssh_why),
	FACT(forward),
	FACT(listen),
	FACT(own_user),
	FACT(from),
	FACT(server),
	FACT(server_host),
	FACT(server_port),
	FACT(machine),
	FACT(far_listen),
	FACT(clients),
	FACT(permitlisten),
	FACT(greeting),
	FACT(feat),
	FACT(ftp_user),
	FACT(netrc),
	FACT(verb),
	FACT(reply),
	FACT(why),
	FACT(data_port),
	FACT(bytes),
	FACT(announced),
	FACT(rtt_ms),
	FACT(count),
	FACT(key_line),
};

void
fact_set(char fact[FACT_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fact, FACT_MAX, format, args);
	va_end(args);
}

void
fact_words(char fact[FACT_MAX], const void *bytes, size_t len)
{
	log_escape(fact, FACT_MAX, bytes, len);
}

const char *
facts_find(const struct facts *facts, const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == len &&
		    memcmp(fields[i].name, name, len) == 0)
			return (const char *)facts + fields[i].at;
	return NULL;
}

/* ---- what ssh says ---- */

/*
 * Lines that are a fact: what stands behind start, up to the first letter of
 * end, goes to it.  Of several the last counts: a jump host comes before the
 * destination.
 */
static const struct {
	const char *begins; /* the line; "": with anything */
	const char *start;  /* anywhere in it */
	const char *end;    /* any of these letters; "": its end */
	size_t at;
	bool late; /* also once its key is taken */
} heard[] = {
#define ROW(begins, start, end, field, late)                            \
	{                                                               \
		begins, start, end, offsetof(struct facts, field), late \
	}
#define HEARD(begins, start, end, field) ROW(begins, start, end, field, false)
#define HEARD_LATE(begins, start, end, field) \
	ROW(begins, start, end, field, true)
	HEARD("debug1: ", "kex: algorithm: ", "", kex),
	HEARD("debug1: ", "kex: server->client cipher: ", " ", cipher),
	HEARD("debug1: ", "Server host key: ", "", host_key),
	HEARD("debug1: ", "using hostkeyalias: ", "", host_key_name),
	HEARD("debug1: ", "Found key in ", "", host_key_place),
	HEARD_LATE("debug1: ", "Authentications that can continue: ", "",
	    methods),
	HEARD("debug1: ", "Authenticating to ", " ", login_at),
	HEARD_LATE("debug1: ", "Server accepts key: ", " ", accepted),
	/* Of the next host it comes before ssh is Authenticating to it. */
	HEARD_LATE("debug1: ", "remote software version ", "", sshd),
	HEARD_LATE("debug1: Remote: Server has disabled port forwarding",
	    "Remote: ", "", not_forwarded),
	HEARD_LATE("debug1: Remote: Port forwarding not permitted",
	    "Remote: ", "", not_forwarded),
	HEARD_LATE("Authenticated to ", "using \"", "\"", method),
	HEARD("Offending ", "key in ", "", host_key_place),
	HEARD("", "Their offer: ", "", offer),
	HEARD_LATE("Permissions 0", "for '", "'", key_file),
};

/* ssh's words for a failure; the first of the table that it has said is the
 * cause. */
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

/* Is what was found so far further down in the table? */
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
	if (i == N_FAILURES || !is_nearer(facts, i) ||
	    (facts->host_taken && failures[i].failure <= SSH_NO_COMMON_MAC))
		return;
	facts->ssh_failure = failures[i].failure;
	fact_set(facts->ssh_why, "%s", line);
}

/* What stands behind start, up to any letter of end; NULL: there is no such. */
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
		int len = 0;

		if (facts->host_taken && !heard[i].late)
			continue;
		if (strncmp(line, begins, strlen(begins)) == 0)
			at = between(line, heard[i].start, heard[i].end, &len);
		if (at != NULL)
			fact_set((char *)facts + heard[i].at, "%.*s", len, at);
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
	fact_set(facts->key_place, "%.*s", (int)(at - line), line);
	/* Never empty, since it was said. */
	fact_set(facts->key_options, "%s ", at + strlen(options));
}

/* One more key; several have a comma between. */
static void
hear_offered(struct facts *facts, const char *line)
{
	char before[FACT_MAX];
	int len = 0;
	const char *at = between(line, "Offering public key: ", " ", &len);

	if (at == NULL)
		return;
	snprintf(before, sizeof(before), "%s", facts->keys);
	fact_set(facts->keys, "%s%s%.*s", before, before[0] != '\0' ? ", " : "",
	    len, at);
}

/* What is only said, or not. */
static void
hear_flags(struct facts *facts, const char *line)
{
	static const struct {
		const char *words;
		size_t at;
	} flags[] = {
#define FLAG(words, field) { words, offsetof(struct facts, field) }
		FLAG("debug1: SSH2_MSG_NEWKEYS received", host_taken),
		FLAG("\" with partial success.", partial),
		FLAG("debug1: Next authentication method: password", typed),
		FLAG("debug1: Next authentication method: keyboard-", typed),
		FLAG("read_passphrase: can't open /dev/tty", no_terminal),
		FLAG("no mutual signature algorithm", no_algorithm),
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strstr(line, flags[i].words) != NULL)
			*(bool *)((char *)facts + flags[i].at) = true;
}

/* What comes behind "Server accepts key", which is only of its name: a refusal,
 * or the next key, since ssh has not got at that one. */
static void
hear_signature(struct facts *facts, const char *line)
{
	if (strstr(line, "debug1: Server accepts key: ") != NULL) {
		facts->signing = true;
		facts->refused = false;
	} else if (strstr(line, "debug1: Authentications that can") != NULL) {
		facts->refused |= facts->signing;
		facts->signing = false;
	} else if (strstr(line, "Offering public key: ") != NULL ||
	    strstr(line, "debug1: Next authentication method") != NULL) {
		facts->signing = false;
	}
}

/* Behind a jump host comes another one, of which nothing is known yet.  Without
 * one it is in a banner of sshd's, which is no word of ssh's. */
static void
hear_next_host(struct facts *facts, const char *line)
{
	static const char start[] = "debug1: Authenticating to ";

	if (strncmp(line, start, strlen(start)) != 0 ||
	    (facts->host_taken && facts->proxy[0] == '\0'))
		return;
	facts->host_taken = false;
	facts->keys[0] = facts->accepted[0] = facts->methods[0] = '\0';
	facts->host_key_place[0] = '\0';
	facts->signing = facts->refused = false;
	facts->partial = facts->typed = facts->no_terminal = false;
	facts->no_algorithm = false;
	if (facts->ssh_failure == SSH_HOST_KEY_CHANGED)
		facts->ssh_failure = SSH_NO_FAILURE;
}

/* Of FILE:LINE. */
static void
note_known_hosts(struct facts *facts)
{
	const char *colon = strrchr(facts->host_key_place, ':');

	if (colon != NULL)
		fact_set(facts->known_hosts, "%.*s",
		    (int)(colon - facts->host_key_place),
		    facts->host_key_place);
}

/* Behind the algorithms stand marks of the protocol, which are none. */
static void
trim_offer(struct facts *facts)
{
	static const char *const marks[] = { ",kex-strict-", ",ext-info-" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char *at = strstr(facts->offer, marks[i]);

		if (at != NULL)
			*at = '\0';
	}
}

void
facts_hear(struct facts *facts, const char *line)
{
	hear_next_host(facts, line);
	hear_fact(facts, line);
	hear_flags(facts, line);
	hear_signature(facts, line);
	hear_key(facts, line);
	hear_offered(facts, line);
	hear_failure(facts, line);
	note_known_hosts(facts);
	trim_offer(facts);
}

/* ---- what follows from it ---- */

bool
facts_key_known(const struct facts *facts)
{
	return facts->key_options[0] != '\0';
}

bool
facts_key_has(const struct facts *facts, const char *word)
{
	char spaced[64];

	snprintf(spaced, sizeof(spaced), " %s ", word);
	return strstr(facts->key_options, spaced) != NULL;
}

bool
facts_kex_is_post_quantum(const struct facts *facts)
{
	return strstr(facts->kex, "sntrup761") != NULL ||
	    strstr(facts->kex, "mlkem") != NULL;
}

bool
facts_cipher_is_old(const struct facts *facts)
{
	return strstr(facts->cipher, "-cbc") != NULL ||
	    strstr(facts->cipher, "arcfour") != NULL;
}

bool
facts_sshd_has_no_delay(const struct facts *facts)
{
	static const char name[] = "OpenSSH_", update[] = " Debian-7+deb13u";
	const char *at = strstr(facts->sshd, name);
	const char *debian = strstr(facts->sshd, update);
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
