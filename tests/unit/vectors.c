/*
 * The readers of tests/vectors.
 */
#include "vectors.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

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
