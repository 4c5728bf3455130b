/*
 * What culvert check has found out: a table of facts (facts.def), and what ssh
 * -v prints, turned into facts.  Pure: no I/O.
 */
#ifndef CHECK_FACTS_H
#define CHECK_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "check/findings.h"
#include "check/server.h"

/* Bytes of a fact, its NUL included; longer ones are cut. */
#define FACT_MAX 1024

enum fact_id {
#define FACT(id, scope) FACT_##id,
#include "check/facts.def"
#undef FACT
	FACTS,
};

/* When a fact is forgotten. */
enum fact_scope {
	SCOPE_CHECK,   /* never */
	SCOPE_HOST,    /* when ssh begins to log in to the next host */
	SCOPE_FORWARD, /* when the checks of the next forward begin */
};

/* Nothing is known when all of it is 0. */
struct facts {
	char text[FACTS][FACT_MAX];
	size_t failure; /* the row of facts.c's failures[], from 1; or 0 */
	enum server_kind kind; /* of the FTP server */
};

/* The fact; empty if it is not known. */
const char *fact(const struct facts *facts, enum fact_id id);
bool fact_known(const struct facts *facts, enum fact_id id);

/* Sets a fact to a text of our own, or one that has been escaped. */
void fact_set(struct facts *facts, enum fact_id id, const char *text);
void fact_format(struct facts *facts, enum fact_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets a fact to somebody else's text, or to its first line, escaped. */
void fact_escape(struct facts *facts, enum fact_id id, const char *text);
void fact_escape_line(struct facts *facts, enum fact_id id, const char *text);

/* Sets a text outside of the table. */
void fact_text(char text[FACT_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets all facts of that scope. */
void facts_forget(struct facts *facts, enum fact_scope scope);

/* The fact with that name, of len letters; FACTS if there is none. */
enum fact_id facts_find(const char *name, size_t len);

/* Takes a line that ssh -v has printed. */
void facts_read_line(struct facts *facts, const char *line);

/* Why ssh has failed, as far as its messages tell; else SSH_FAILED. */
enum finding facts_failure(const struct facts *facts);

/* Is that word among the options of the key in authorized_keys, as far as they
 * are known? */
bool facts_key_has(const struct facts *facts, const char *word);

/* Is the key exchange safe from a quantum computer? */
bool facts_kex_is_post_quantum(const struct facts *facts);

/* Is the cipher one that OpenSSH no longer offers by default? */
bool facts_cipher_is_old(const struct facts *facts);

/* Does sshd send small packets at once by itself?  OpenSSH does since 10.1, and
 * Debian's 10.0p1 since 7+deb13u3, which has that change too. */
bool facts_sshd_has_no_delay(const struct facts *facts);

#endif
