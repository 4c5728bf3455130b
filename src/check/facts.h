/*
 * What culvert check has found out: a table of facts (facts.def), and what ssh
 * -v prints, turned into facts.  Pure: no I/O.
 */
#ifndef CHECK_FACTS_H
#define CHECK_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "check/server.h"

/* Bytes of a fact, its NUL included; longer ones are cut. */
#define FACT_MAX 1024

/* Identifies a fact: FACT_HOST and so on. */
enum fact_id {
#define FACT(id, name, type, source) FACT_##id,
#include "check/facts.def"
#undef FACT
	FACTS,
};

enum fact_type {
	FACT_TEXT,
	FACT_FLAG, /* "yes", or empty */
};

/* Where a fact comes from, and so when it is forgotten. */
enum fact_source {
	FROM_OPTIONS,	 /* the command line and the configuration file */
	FROM_SSH_CONFIG, /* ssh -G */
	FROM_NETWORK,	 /* the name service and TCP */
	FROM_SSH,	 /* ssh -v */
	FROM_SSH_HOST, /* ssh -v; forgotten when the next host's login begins */
	FROM_FORWARD,  /* the checks of a forward; forgotten before the next */
};

/* Why ssh has failed, as far as its messages tell. */
enum ssh_failure {
	SSH_NO_FAILURE, /* or one without a known message */
	SSH_HOST_KEY_REVOKED,
	SSH_HOST_KEY_CHANGED,
	SSH_HOST_KEY_UNKNOWN,
	SSH_NO_COMMON_HOST_KEY,
	SSH_NO_COMMON_KEX,
	SSH_NO_COMMON_CIPHER,
	SSH_NO_COMMON_MAC,
	SSH_KEY_PERMISSIONS,
	SSH_TOO_MANY_KEYS,
	SSH_DENIED,
	SSH_CONFIGURATION,
	SSH_UNKNOWN_NAME,
	SSH_REFUSED,
	SSH_SILENT,
	SSH_CLOSED,
};

/* Nothing is known when all of it is 0. */
struct facts {
	char text[FACTS][FACT_MAX];
	enum ssh_failure ssh_failure;
	enum server_kind kind; /* of the FTP server */
};

/* The fact; empty if it is not known. */
const char *fact(const struct facts *facts, enum fact_id id);
bool fact_known(const struct facts *facts, enum fact_id id);

/* Sets a fact to a text of our own, or one that has been escaped. */
void fact_set(struct facts *facts, enum fact_id id, const char *text);
void fact_format(struct facts *facts, enum fact_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void fact_set_flag(struct facts *facts, enum fact_id id, bool flag);

/* Sets a fact to somebody else's text, escaped; of a text of several lines, to
 * the first line. */
void fact_escape(struct facts *facts, enum fact_id id, const char *text);
void fact_escape_line(struct facts *facts, enum fact_id id, const char *text);

/* The same for a text outside of the table. */
void fact_text(char text[FACT_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fact_text_escape(char text[FACT_MAX], const void *bytes, size_t len);

/* Forgets all facts from that source. */
void facts_forget(struct facts *facts, enum fact_source source);

/* The fact with a name of len letters; FACTS if there is none. */
enum fact_id facts_find(const char *name, size_t len);

/* Takes a line that ssh -v has printed. */
void facts_hear(struct facts *facts, const char *line);

/* The options of the key in authorized_keys, which sshd tells on login: does
 * check know them, and is that word among them? */
bool facts_key_known(const struct facts *facts);
bool facts_key_has(const struct facts *facts, const char *word);

/* Is the key exchange safe from a quantum computer? */
bool facts_kex_is_post_quantum(const struct facts *facts);

/* Is the cipher one that OpenSSH no longer offers by default? */
bool facts_cipher_is_old(const struct facts *facts);

/* Does sshd send small packets at once by itself?  OpenSSH does since 10.1, and
 * Debian's 10.0p1 since 7+deb13u3, which has that change too. */
bool facts_sshd_has_no_delay(const struct facts *facts);

#endif
