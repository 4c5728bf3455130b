/*
 * The readers of tests/vectors.
 */
#include "vectors.h"

#include <dirent.h>
#include <err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

FILE *
vectors_open(const char *name)
{
	const char *directory = getenv("VECTORS");
	char path[VECTOR_MAX];
	FILE *file;

	if (directory == NULL)
		errx(1, "VECTORS is not set");
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	if (file == NULL)
		err(1, "%s", path);
	return file;
}

size_t
vectors_unescape(const char *text, uint8_t *ret)
{
	size_t len = 0;
	unsigned byte;

	for (; *text != '\0'; text++) {
		if (*text != '\\') {
			ret[len++] = (uint8_t)*text;
			continue;
		}
		switch (*++text) {
		case 'r':
			ret[len++] = '\r';
			break;
		case 'n':
			ret[len++] = '\n';
			break;
		case 't':
			ret[len++] = '\t';
			break;
		case '\\':
			ret[len++] = '\\';
			break;
		case 'x':
			if (sscanf(text, "x%2x", &byte) != 1)
				errx(1, "bad escape: %s", text);
			ret[len++] = (uint8_t)byte;
			text += 2;
			break;
		default:
			errx(1, "bad escape: %s", text);
		}
	}
	return len;
}

bool
vectors_next(FILE *file, struct vector *vector)
{
	char line[VECTOR_MAX];
	char *arrow, *comment;

	while (fgets(line, sizeof(line), file) != NULL) {
		vector->number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		arrow = strstr(line, " => ");
		comment = arrow == NULL ? NULL : strstr(arrow, " # ");
		if (comment == NULL)
			errx(1, "not a vector: %s", line);
		*arrow = '\0';
		*comment = '\0';
		vector->input_len = vectors_unescape(line, vector->input);
		snprintf(vector->want, sizeof(vector->want), "%s", arrow + 4);
		return true;
	}
	return false;
}

uint8_t *
vectors_side(const char *path, char side, size_t *ret_len)
{
	char line[VECTOR_MAX];
	FILE *file = fopen(path, "r");
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (file == NULL)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] != side || strncmp(line + 1, ": ", 2) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		bytes = realloc(bytes, len + strlen(line));
		if (bytes == NULL)
			err(1, NULL);
		len += vectors_unescape(line + 3, bytes + len);
	}
	fclose(file);
	if (bytes == NULL)
		errx(1, "%s: nothing from %c", path, side);
	*ret_len = len;
	return bytes;
}

static int
is_session(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".txt") == 0;
}

int
vectors_run_engine(const char *group, void (*test)(void **state))
{
	const char *directory = getenv("VECTORS");
	char path[VECTOR_MAX];
	struct dirent **entries;
	struct CMUnitTest *tests;
	int n, failed;

	if (directory == NULL)
		errx(1, "VECTORS is not set");
	snprintf(path, sizeof(path), "%s/engine", directory);
	n = scandir(path, &entries, is_session, alphasort);
	if (n <= 0)
		err(1, "%s", path);
	tests = calloc((size_t)n, sizeof(*tests));
	if (tests == NULL)
		err(1, NULL);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/engine/%s", directory,
		    entries[i]->d_name);
		tests[i].name = entries[i]->d_name;
		tests[i].test_func = test;
		tests[i].initial_state = strdup(path);
	}
	failed = _cmocka_run_group_tests(group, tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++) {
		free(tests[i].initial_state);
		free(entries[i]);
	}
	free(tests);
	free(entries);
	return failed;
}
