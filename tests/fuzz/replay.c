/*
 * Runs a fuzz target over every file of the directories given as arguments,
 * so that the corpus is a test with any compiler.
 */
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

/* One input, in a heap block of its very size: a sanitizer sees each edge. */
static void
replay_file(const char *path, size_t size)
{
	uint8_t *bytes = malloc(size);
	FILE *file = fopen(path, "rb");

	if (file == NULL || (bytes == NULL && size > 0))
		err(1, "%s", path);
	if (fread(bytes, 1, size, file) != size)
		errx(1, "%s: short read", path);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
}

static unsigned
replay_directory(const char *path)
{
	char name[4096];
	unsigned inputs = 0;
	struct dirent *entry;
	struct stat status;
	DIR *directory = opendir(path);

	if (directory == NULL)
		err(1, "%s", path);
	while ((entry = readdir(directory)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (stat(name, &status) != 0 || !S_ISREG(status.st_mode))
			continue;
		replay_file(name, (size_t)status.st_size);
		inputs++;
	}
	closedir(directory);
	return inputs;
}

int
main(int argc, char **argv)
{
	unsigned inputs = 0;

	for (int i = 1; i < argc; i++)
		inputs += replay_directory(argv[i]);
	printf("replay %s: %u inputs\n", REPLAY_NAME, inputs);
	return inputs > 0 ? 0 : 1;
}
