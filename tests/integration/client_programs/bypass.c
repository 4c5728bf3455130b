/*
 * Tries to connect to a host and port without a plain connect(2), and prints
 * what becomes of it.
 *
 *	bypass fastopen|fastopen-message|ring HOST PORT
 *	bypass race HOST PORT DECOY-PORT
 *	bypass children HOST PORT
 *	bypass alone|own-descriptors HOST PORT
 *
 * race: one thread connects to the decoy, a port of this host, while another
 * one changes the address in memory to that of HOST, again and again.
 *
 * children: connects without waiting while a child ends, again and again, with
 * a handler for SIGCHLD; prints how often that was interrupted.
 *
 * alone: connects in a thread when the first thread has ended, and prints what
 * it receives.  own-descriptors: in a thread with a table of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RACES 3000
#define CHILDREN 500

static struct sockaddr_in volatile changing;
static atomic_bool over;

static struct sockaddr_in
address(const char *host, const char *port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};

	inet_pton(AF_INET, host, &at.sin_addr);
	return at;
}

static void
fast_open(struct sockaddr_in at, int message)
{
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr header = {
		.msg_name = &at,
		.msg_namelen = sizeof(at),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n = message ? sendmsg(fd, &header, MSG_FASTOPEN) :
			      sendto(fd, "x", 1, MSG_FASTOPEN,
				  (struct sockaddr *)&at, sizeof(at));

	puts(n < 0 ? strerror(errno) : "sent");
}

static void *
change(void *two)
{
	const struct sockaddr_in *at = two;

	while (!over) {
		changing = at[0];
		changing = at[1];
	}
	return NULL;
}

static void
race(struct sockaddr_in there, struct sockaddr_in decoy)
{
	struct sockaddr_in at[2] = { there, decoy }, peer;
	unsigned here = 0, refused = 0;
	socklen_t len;
	pthread_t thread;

	changing = decoy;
	pthread_create(&thread, NULL, change, at);
	for (int i = 0; i < RACES; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		len = sizeof(peer);
		if (connect(fd, (struct sockaddr *)(uintptr_t)&changing,
			sizeof(changing)) != 0)
			refused++;
		else if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sin_port == there.sin_port &&
		    peer.sin_addr.s_addr == there.sin_addr.s_addr) {
			puts("it has passed");
			exit(1);
		} else
			here++;
		close(fd);
	}
	over = 1;
	pthread_join(thread, NULL);
	printf("here %u, refused %u\n", here, refused);
}

static void
nothing(int signum)
{
}

static void
children(struct sockaddr_in at)
{
	const struct sigaction action = { .sa_handler = nothing };
	unsigned interrupted = 0;
	char byte;

	sigaction(SIGCHLD, &action, NULL);
	for (int i = 0; i < CHILDREN; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		int ends[2];

		if (pipe(ends) != 0)
			exit(1);
		if (fork() == 0)
			_exit(write(ends[1], "x", 1) != 1);
		while (read(ends[0], &byte, 1) < 0)
			;
		if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 &&
		    errno == EINTR)
			interrupted++;
		close(fd);
		close(ends[0]);
		close(ends[1]);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	printf("interrupted %u\n", interrupted);
}

static struct sockaddr_in greeter;
static pthread_t first;

static void *
greet(void *alone)
{
	char text[100] = "";
	int fd;

	if (alone != NULL)
		pthread_join(first, NULL);
	else if (unshare(CLONE_FILES) != 0)
		exit(1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&greeter, sizeof(greeter)) != 0 ||
	    read(fd, text, sizeof(text) - 1) < 0)
		puts(strerror(errno));
	else
		fputs(text, stdout);
	exit(0);
}

static void
threads(struct sockaddr_in at, int alone)
{
	pthread_t thread;

	greeter = at;
	first = pthread_self();
	pthread_create(&thread, NULL, greet, alone ? &greeter : NULL);
	if (alone)
		pthread_exit(NULL);
	pthread_join(thread, NULL);
}

int
main(int argc, char **argv)
{
	char params[256] = { 0 };

	if (strcmp(argv[1], "fastopen") == 0)
		fast_open(address(argv[2], argv[3]), 0);
	else if (strcmp(argv[1], "fastopen-message") == 0)
		fast_open(address(argv[2], argv[3]), 1);
	else if (strcmp(argv[1], "ring") == 0)
		puts(syscall(SYS_io_uring_setup, 8, params) < 0 ?
			strerror(errno) :
			"made");
	else if (strcmp(argv[1], "children") == 0)
		children(address(argv[2], argv[3]));
	else if (strcmp(argv[1], "alone") == 0 ||
	    strcmp(argv[1], "own-descriptors") == 0)
		threads(address(argv[2], argv[3]),
		    strcmp(argv[1], "alone") == 0);
	else
		race(address(argv[2], argv[3]), address("127.0.0.1", argv[4]));
	return 0;
}
