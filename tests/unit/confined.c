/*
 * A child that is confined.
 */
#include "confined.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"

#ifdef CONFINE_COVERAGE
#define COVERAGE 1
#else
#define COVERAGE 0
#endif

int
confined_set_up(void **state)
{
	struct env *env = calloc(1, sizeof(*env));
	FILE *file;

	env->without = CONFINE_STAGES;
	strcpy(env->base, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->base));
	snprintf(env->directory, sizeof(env->directory), "%s/p", env->base);
	snprintf(env->outside, sizeof(env->outside), "%s/f", env->base);
	assert_int_equal(mkdir(env->directory, 0700), 0);
	file = fopen(env->outside, "w");
	assert_non_null(file);
	fclose(file);
	*state = env;
	return 0;
}

int
confined_tear_down(void **state)
{
	struct env *env = *state;

	remove_directory(env->base);
	free(env);
	return 0;
}

void
confine_all(struct env *env)
{
	const struct confine_options options = {
		.directory = env->directory,
		.low_ports = env->low_ports,
	};
	char text[CONFINE_TEXT_MAX];

	for (int stage = 0; stage < CONFINE_STAGES; stage++) {
		enum confine_result result;

		if (stage == env->without)
			continue;
		result = confine((enum confine_stage)stage, &options, text);
		if (stage == CONFINE_FILES && result == CONFINE_DONE)
			env->landlock =
			    sscanf(text, "Landlock (ABI %d)", &env->abi) == 1;
		if (result == CONFINE_FAILED || text[0] == '\0')
			dprintf(env->report, "stage %d: %s\n", stage, text);
	}
}

void
expect(const struct env *env, const char *what, long answer, int err)
{
	int got = answer < 0 ? errno : 0;

	if (got != err)
		dprintf(env->report, "%s: %s instead of %s\n", what,
		    strerror(got), strerror(err));
}

void
run_confined(struct env *env, void (*child)(struct env *))
{
	char text[4096] = "";
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (COVERAGE)
		skip();
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		env->report = fds[1];
		child(env);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(text, "");
	assert_int_equal(status, 0);
}
