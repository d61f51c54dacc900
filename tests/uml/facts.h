/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts - what this file system does, a line for each fact: "group/name: answer". Nothing here is
 * right or wrong; `lab` compares what a share answers with what the file system behind it does.
 * So an answer may depend on nothing but the file system: no time of day, inode number or pid.
 */
#ifndef UML_FACTS_H
#define UML_FACTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/util.h"

extern bool am_root;

/* Each group works in an empty directory of its own. */
void names_facts(void);
void open_facts(void);
void unlinked_facts(void);
void mode_facts(void);
void owner_facts(void);
void time_facts(void);
void data_facts(void);
void call_facts(void);
void list_facts(void);
void lock_facts(void);
void xattr_facts(void);
void acl_facts(void);

/* "group/NAME: TEXT", both as printf(3) makes them. */
void fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The fact is how a call ended: "ok", or errno's name. Returns `ret`. */
long ask(const char *name, long ret);
/* As ask(), of a call that makes a descriptor, which is closed. */
void ask_fd(const char *name, int fd);
/* As ask(), and the mode of `path` afterwards. */
void ask_mode(const char *name, long ret, const char *path);
const char *outcome(long ret);
/* A name for a fact, valid until the 64th call after this one. */
const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What a fact needs and what is no fact: ends the program if it fails. */
#define need(call) need_done((call) >= 0, #call, __FILE__, __LINE__)
void need_done(bool fine, const char *call, const char *file, int line);

/* Kinds of objects; devices only for root. */
enum kind { REGULAR, DIRECTORY, FIFO, SOCKET, SYMLINK, CHARACTER, BLOCK, KINDS };
extern const char *const kind_name[];
enum kind kinds(void); /* how many of them there are for this user */
int make(enum kind kind, const char *path, mode_t mode);
int make_with(const char *path, const char *content);
int unmake(const char *path); /* whatever it is */
struct stat stat_of(const char *path);
struct stat stat_of_fd(int fd);
mode_t mode_of(const char *path);
int closed(int fd); /* closes it; errno of a failed open stays */

/* Waits until the file system's clock has moved on. */
void tick(void);

/* As somebody else, in a process of its own: AS(&alice, unlink("x")). Only for root. */
struct person {
	uid_t uid;
	gid_t gid;
	int group_count;
	gid_t groups[2];
};
extern const struct person alice, bob, carol; /* carol is in alice's group */
#define AS(who, call)                                                                              \
	({                                                                                         \
		pid_t child_ = as_begin(who);                                                      \
		if (child_ == 0)                                                                   \
			as_end(call);                                                              \
		as_result(child_);                                                                 \
	})
pid_t as_begin(const struct person *who);
void as_end(long ret) __attribute__((noreturn));
long as_result(pid_t child);
/* The same in a child that stays who it is. */
#define IN_CHILD(call) AS(NULL, call)

#endif
