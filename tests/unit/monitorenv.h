/*
 * A monitor, a directory, and a program in the place of ssh: what the tests of
 * the monitor share.
 */
#ifndef MONITORENV_H
#define MONITORENV_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ssh/monitor_priv.h"

#define MONITORENV_WATCHDOG_MS 60000

struct monitorenv {
	uv_loop_t loop;
	uv_timer_t watchdog;
	char base[64];
	char program[80];
	char record[80]; /* what the program writes */
	struct link_options options;
	const char *metrics[3]; /* the arguments of what answers for them */
	int listener;
	struct monitor *monitor;
	unsigned int lost;
	int output; /* our end of the pipe, of the latest */
	uint32_t number;
	unsigned int ended;
	unsigned int lost_before; /* the first end */
	struct monitor_end end;
	/* By hand: */
	pid_t pid;
	int fd;
	char directory[PRIVDIR_MAX];
};

int monitorenv_set_up(void **state);
int monitorenv_tear_down(void **state);

/* A program, mode 0755. */
void monitorenv_write(const char *path, const char *text);

/* Forks the monitor; program is a shell script's text, or NULL. */
void monitorenv_begin(struct monitorenv *env, const char *program,
    const struct user *user);
void monitorenv_end(struct monitorenv *env);

/* Has it start a process; env->output is its pipe.  As monitor_start(). */
int monitorenv_start(struct monitorenv *env, enum cmdline_kind kind,
    size_t link);

/* Has it start the program of env->metrics with env->listener. */
int monitorenv_start_metrics(struct monitorenv *env);

/* For monitor_attach() and monitor_start(); ctx is the env. */
void monitorenv_on_lost(void *ctx);
void monitorenv_on_ended(void *ctx, const struct monitor_end *end);

/* Runs the loop until the count has that value. */
void monitorenv_until(struct monitorenv *env, const unsigned int *count,
    unsigned int value);

/* All that the process says, up to its end. */
void monitorenv_read(const struct monitorenv *env, char *text, size_t size);

/* The pid that a program says first, as "PID\n". */
pid_t monitorenv_read_pid(const struct monitorenv *env);

/* Of a process that may not be our child. */
void monitorenv_until_gone(pid_t pid);

#define MONITORENV_TEST(name)                                    \
	cmocka_unit_test_setup_teardown(name, monitorenv_set_up, \
	    monitorenv_tear_down)

#endif
