/*
 * A child that is confined, for the tests of base/confine.c: it reports by a
 * pipe, and what it has to say is a failure.
 */
#ifndef CONFINED_H
#define CONFINED_H

#include <stdbool.h>

#include "base/confine.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* it traces itself, see base/confine_seccomp.c */
#else
#define SANITIZED 0
#endif

struct env {
	char base[64];
	char directory[80]; /* the private one */
	char outside[80];   /* a file that is not in it */
	int report;	    /* of the child */
	bool low_ports;
	int without;   /* leave out this stage */
	bool landlock; /* the child has got it ... */
	int abi;       /* ... in this version */
};

/* cmocka's: *state is a struct env with a directory and a file of its own. */
int confined_set_up(void **state);
int confined_tear_down(void **state);

/* All stages but the one left out; in the child. */
void confine_all(struct env *env);

/* Reports unless answer is not negative, for err 0, or it is -1 with that
 * errno; in the child. */
void expect(const struct env *env, const char *what, long answer, int err);

/* Runs it in a child, and fails if that has reported anything or ended by
 * itself. */
void run_confined(struct env *env, void (*child)(struct env *));

#define CONFINED_TEST(name)                                    \
	cmocka_unit_test_setup_teardown(name, confined_set_up, \
	    confined_tear_down)

#endif
