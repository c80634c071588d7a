/* What the parts of the library share: `native.c` is what every test goes through, `room.c` what every submission does,
 * `nursery.c` what starts them, and `pages.c` what a slot does once. `native.py` mirrors the structures and calls the
 * functions; nothing is kept between two calls but what they hold. Errors are negative: -errno.
 */
#ifndef ROOM_H
#define ROOM_H

#include <stdint.h>

#define MAX_MESSAGE_BYTES (128 * 1024)
#define MAX_REPLY_BYTES (64 * 1024)
#define MAX_FDS 16
#define GROUP_FILES 6
#define CORES_BYTES 128
#define MAX_RANGES 256
#define STACK_BYTES (256LL << 20) /* of a program, and of each thread that asks for no other */

enum event { CLOSED, TO_ENTER, TO_START, BECAME, BECAME_SCRIPT, BECAME_HEARD_SCRIPT, RUNNING, ENDED, GONE };
enum kind { RUN = 1, ANSWER = 2, SERIES = 3, ROOM = 4 };

/* Written by a process that fails while it becomes a program, and not mapped in one that has become it. */
struct complaint {
    int32_t error;
    char step[60];
    int64_t ahead_cpu_us, ahead_waited_ns; /* what it had used, and waited for a core, when it was told what to become */
};

struct range {
    int64_t start, bytes;
};

struct context {
    int64_t channel, proc_fd, code_fd, loadavg_fd, cores;
    int64_t filter; /* struct sock_fprog *; 0 where there are no namespaces and the caller puts up the walls */
    int64_t complaint, complaint_bytes;
    int64_t series; /* struct series *, which no fork inherits */
    int64_t tmp_changed_at_ns;
    int64_t limit_fd, peak_fd, usage_fd, stat_fd, events_fd, cpu_fd; /* of the slot's control group, or -1 */
    int64_t disk_bytes, inodes;                                      /* of the program's /tmp */
    int64_t standby_pid, standby_fd;                                 /* 0 where there is none */
    int64_t n_written;
    struct range written[MAX_RANGES]; /* pages that programs write to, as a rule */
    int64_t pinned;                                                  /* to one of these, a set as the kernel has it */
    uint64_t cores_allowed[CORES_BYTES / sizeof(uint64_t)];
    int64_t submission_filter, program_filters[2]; /* with namespaces; of programs whose memory is a group's the second */
};

/* The first message of a submission: what it finds around it. */
struct room {
    int64_t kind, disk_bytes, inodes, memory_is_accounted;
    int64_t by_hand;            /* something is to be imported first */
    int64_t standby;            /* a process is to be made that waits to become the first program */
    int64_t group[GROUP_FILES]; /* which of the descriptors are the files of the control group; -1 for none */
    char root[64];
};

struct request {
    int64_t kind, memory_bytes, output_bytes, cpu_us, wall_us;
    int64_t processes; /* -1: the caller counts them */
    int64_t watched;   /* memory is looked at, for no group holds it */
    int64_t waited_for; /* another program does, so the caller looks at it all the time */
    int64_t slot_bytes; /* what the slot may hold with this run and what is beside it; 0: another run says that */
    int64_t idle_ceiling_bytes;
    int64_t by_hand; /* the caller has to do something before or after it */
    int64_t ahead;   /* it was sent before what the last run printed was given back */
    int64_t n_inputs, inputs_at; /* of a series: their lengths and what they are, in the message */
    int64_t image; /* what is executed is a descriptor */
    int64_t script; /* a Python script, of which nothing else has to be known */
    int64_t n_arguments, n_variables, strings_at; /* of a program of its own: its command line and environment */
    int64_t n_fds, places[MAX_FDS];
};

struct answer {
    int64_t kind, status, reason, cpu_us, wall_us, rss_kb, starved_us, one_process;
    int64_t peak_bytes, kills, group_cpu_us; /* -1 where nobody counts */
    int64_t others_kills;                    /* for memory that a group above or the machine had no more of */
    int64_t held_bytes;                      /* by the idle slot before the run, without page cache */
};

/* What one test of a series printed follows; descriptors carry that of the last where the lengths are -1. */
struct record {
    struct answer answer;
    int64_t stdout_bytes, stderr_bytes, report_bytes;
};

/* What is no business of a program: the inputs of later tests, and what earlier ones have printed. */
struct series {
    int64_t input_at, inputs_bytes, reply_bytes;
    char inputs[MAX_MESSAGE_BYTES];
    char reply[MAX_REPLY_BYTES];
};

struct run {
    struct answer answer;
    int64_t pid, started_ns, usage_before, kills_before, ooms_before, cpu_before, limit_bytes, cached_before;
    int64_t printed_bytes; /* by the run before */
    int64_t pidfd;
    int64_t farewell_fd; /* where the program says that it ends; less than 0 where nobody listens any more */
    int64_t lingers;     /* it was taken at its word that it has ended, and is not reaped */
    int64_t n_fds, length;
    int32_t fds[MAX_FDS];
    union {
        struct request request;
        struct room room;
        char message[MAX_MESSAGE_BYTES];
    };
};

void native_close_between(unsigned first, unsigned last);
void native_unpin(const struct context *context);
int64_t native_begin(struct context *context, int socket_fd, int user, int group);
int64_t native_enter(struct context *context, struct run *run);
int64_t native_renew_tmp(struct context *context);
int64_t native_serve(struct context *context, struct run *run);

#endif
