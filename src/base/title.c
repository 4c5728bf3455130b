/*
 * What ps(1) shows as the command of this process.
 */
#include "base/title.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

char **
title_copy_arguments(int argc, char *const *argv)
{
	size_t n = (size_t)argc, len = (n + 1) * sizeof(char *);
	char **copy, *at;

	for (size_t i = 0; i < n; i++)
		len += strlen(argv[i]) + 1;
	copy = calloc(1, len);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + n + 1);
	for (size_t i = 0; i < n; i++) {
		copy[i] = at;
		at = stpcpy(at, argv[i]) + 1;
	}
	return copy;
}

/* Finds the memory of the arguments and of the environment, which follows them:
 * fields 48 to 51 of /proc/self/stat (proc(5)). */
static bool
title_find(char **ret_begin, char **ret_end)
{
	unsigned long at[4] = { 0 };
	char text[2048], *field;
	FILE *stat = fopen("/proc/self/stat", "re");
	size_t len;

	if (stat == NULL)
		return false;
	len = fread(text, 1, sizeof(text) - 1, stat);
	fclose(stat);
	text[len] = '\0';
	/* The second field, the name in parentheses, may contain anything. */
	field = strrchr(text, ')');
	for (int n = 2; n < 48 && field != NULL; n++)
		field = strchr(field + 1, ' ');
	for (size_t i = 0; i < 4 && field != NULL; i++)
		at[i] = strtoul(field, &field, 10);
	if (at[0] == 0 || at[0] >= at[1] || at[1] > at[2] || at[2] > at[3])
		return false;
	*ret_begin = (char *)(uintptr_t)at[0];
	*ret_end = (char *)(uintptr_t)at[3];
	return true;
}

/* Moves the environment to the heap permanently.  Returns false when out of
 * memory. */
static bool
title_move_environment(void)
{
	size_t n = 0;
	char **copy;

	while (environ != NULL && environ[n] != NULL)
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n && copy != NULL; i++) {
		copy[i] = strdup(environ[i]);
		if (copy[i] == NULL)
			return false;
	}
	if (copy != NULL)
		environ = copy;
	return copy != NULL;
}

void
title_set(const char *title)
{
	char *begin, *end;
	size_t size;

	prctl(PR_SET_NAME, title);
	if (!title_find(&begin, &end) || !title_move_environment())
		return;
	/* If the last byte of the arguments is not NUL, the kernel shows the
	 * text up to the first NUL, even beyond the arguments. */
	size = (size_t)(end - begin);
	memset(begin, 0, size);
	snprintf(begin, size, "%s", title);
}
