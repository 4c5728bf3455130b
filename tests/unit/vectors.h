/*
 * Reads tests/vectors (their README says what is in them).  The directory is
 * $VECTORS.  Anything wrong with a file ends the program.
 */
#ifndef UNIT_VECTORS_H
#define UNIT_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VECTOR_MAX 4096

/* One line "INPUT => WANT # ORIGIN"; a line that begins with # is none. */
struct vector {
	unsigned number; /* of the line in its file */
	uint8_t input[VECTOR_MAX];
	size_t input_len;
	char want[VECTOR_MAX];
};

/* Opens $VECTORS/name for reading. */
FILE *vectors_open(const char *name);

/* The next vector of the file; false at its end.  Start with number 0. */
bool vectors_next(FILE *file, struct vector *vector);

/*
 * What one side ('C' or 'S') of a transcript sent, from the file at path;
 * the heap block is the caller's.
 */
uint8_t *vectors_side(const char *path, char side, size_t *ret_len);

/* Runs a cmocka test for each file of $VECTORS/engine, whose path is the
 * initial state.  Returns how many have failed. */
int vectors_run_engine(const char *group, void (*test)(void **state));

/* Undoes \r \n \t \\ and \xNN; ret holds strlen(text) bytes. */
size_t vectors_unescape(const char *text, uint8_t *ret);

#endif
