/* What every test of a submission goes through, without the interpreter.
 *
 * A fork shares its pages until one side writes to them, and an interpreter writes to every object that it looks at:
 * done in Python, starting and awaiting a program costs more than running it. `native_serve` does it for the programs
 * that end at once and leave nothing behind, which most do, and hands everything else to its caller.
 */
#define _GNU_SOURCE
#include "room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define FIRST_PLACE 100 /* where descriptors of a program are, beside 0 to 2 */
#define PLACES 6
#define IMAGE_PLACE (FIRST_PLACE + 1)
#define CODE_PLACE (FIRST_PLACE + 3)
#define FAREWELL_PLACE (FIRST_PLACE + 5)
#define FAREWELL_CODES 256 /* a farewell is the CPU time in nanoseconds, this many times, and the exit code */
#define MAX_STRINGS 128
#define MANY_THREADS 64 /* of a program whose processes are counted by the caller */

#define LOOK_MS 50 /* how often a program is looked at that has not ended */
#define LOOK_AT_MEMORY_MS 4

/* `reason` of an answer: the run before it has printed so much that its memory is to be given back first. */
#define ASK_AGAIN 7
#define LITTLE_BYTES (64 * 1024)
#define REPORT_BYTES (32 * 1024) /* of what we say of a program beside what it returns */

/* Of one test of a series: what prints more ends it, and is read by the far side. */
#define MAX_PRINTED_BYTES (4 * 1024)

/* How much more the slot may hold when a program is dead: it may have left the group full, and what comes then is ours.
 */
#define OUR_OWN_BYTES (64LL << 20)

#define MUCH_CACHE_BYTES (1LL << 20)

/* A group that ends for its limit is no further from it. */
#define LAST_STEP_BYTES (1LL << 20)

/* Without the handlers that the fork of libc runs: this process has one thread. */
extern pid_t _Fork(void) __attribute__((weak));

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t microseconds(const struct rusage *used)
{
    return (used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1000000LL + used->ru_utime.tv_usec + used->ru_stime.tv_usec;
}

/* --- messages --------------------------------------------------------------------------------------------------- */

static int64_t send_all(int channel, void *bytes, size_t length, const int32_t *fds, int n_fds)
{
    union {
        char bytes[CMSG_SPACE(MAX_FDS * sizeof(int32_t))];
        struct cmsghdr align;
    } control;
    struct iovec part = {bytes, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int32_t));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(n_fds * sizeof(int32_t));
        memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int32_t));
    }
    return sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Receive one message and its descriptors: its length, 0 when the far side is gone. */
static int64_t receive(const struct context *context, struct run *run)
{
    union {
        char bytes[CMSG_SPACE(sizeof run->fds)];
        struct cmsghdr align;
    } control;
    struct iovec part = {run->message, sizeof run->message};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    do
        run->length = recvmsg(context->channel, &message, MSG_CMSG_CLOEXEC);
    while (run->length < 0 && errno == EINTR);
    run->n_fds = 0;
    if (run->length <= 0)
        return run->length < 0 && errno != ECONNRESET ? -errno : 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
            run->n_fds = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(run->fds, CMSG_DATA(head), run->n_fds * sizeof(int));
        }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return -EMSGSIZE;
    return run->length;
}

/* --- the control group ---------------------------------------------------------------------------------------- */

static int64_t read_text(int fd, char *text, size_t size)
{
    ssize_t length = pread(fd, text, size - 1, 0);
    if (length < 0)
        return -errno;
    text[length] = 0;
    return length;
}

/* The digits behind leading spaces. Not `strtoll`: newer headers bind it to a symbol that older systems lack. */
static int64_t digits(const char *text)
{
    int64_t number = 0;
    while (*text == ' ')
        text++;
    for (; *text >= '0' && *text <= '9' && number < INT64_MAX / 16; text++)
        number = number * 10 + (*text - '0');
    return number;
}

static int64_t read_number(int fd)
{
    char text[32];
    int64_t length = read_text(fd, text, sizeof text);
    return length < 0 ? length : digits(text);
}

/* The number behind `key` at the beginning of a line; 0 where there is none. */
static int64_t field(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return digits(line + length + 1);
    }
    return 0;
}

static int64_t read_field(int fd, const char *key)
{
    char text[4096];
    int64_t length = read_text(fd, text, sizeof text);
    return length < 0 ? length : field(text, key);
}

static int64_t group_cpu_us(int fd)
{
    char text[4096];
    if (fd < 0)
        return -1;
    int64_t length = read_text(fd, text, sizeof text);
    if (length < 0)
        return length;
    return text[0] >= '0' && text[0] <= '9' ? digits(text) / 1000 : field(text, "usage_usec");
}

static int write_number(int fd, int64_t number)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%lld", (long long)number);
    errno = EIO;
    return pwrite(fd, text, length, 0) == length ? 0 : -errno;
}

/* Page cache, which the kernel gives back when memory is needed; files in a tmpfs are not in it. */
static int64_t cached(const char *stat)
{
    return field(stat, "inactive_file") + field(stat, "active_file");
}

/* What the run held at most, of all that the group did. Beside another run the limit is further away than its own, and
 * the page cache may have grown into it; what there was of that before, as after a compilation, may have made room. */
static int64_t peak_of_run(const struct context *context, const struct run *run, int64_t peak)
{
    char stat[4096];
    int64_t over = peak - run->usage_before;
    int is_beside_another = run->request.slot_bytes != run->request.memory_bytes;
    if ((is_beside_another || run->cached_before > MUCH_CACHE_BYTES) && read_text(context->stat_fd, stat, sizeof stat) > 0) {
        int64_t grown = cached(stat) - run->cached_before;
        over -= grown < 0 || is_beside_another ? grown : 0;
    }
    return over < 0 ? 0 : over;
}

/* Read what the group holds and has done, and set its limit on top of what the idle slot holds. */
static int64_t count_from_here(const struct context *context, struct run *run)
{
    const struct request *request = &run->request;
    char stat[4096];
    run->answer.held_bytes = run->answer.peak_bytes = run->answer.kills = run->answer.group_cpu_us = -1;
    run->answer.others_kills = 0;
    run->limit_bytes = 0;
    if (context->limit_fd < 0 || !request->slot_bytes)
        return 0;
    run->usage_before = read_number(context->usage_fd);
    run->kills_before = read_field(context->events_fd, "oom_kill");
    run->ooms_before = read_field(context->events_fd, "oom");
    run->cpu_before = group_cpu_us(context->cpu_fd);
    int64_t failed = read_text(context->stat_fd, stat, sizeof stat);
    if (failed < 0 || run->usage_before < 0 || run->kills_before < 0 || run->cpu_before < -1)
        return -EIO;
    run->cached_before = cached(stat);
    int64_t held = run->usage_before - run->cached_before;
    held = held < 0 ? 0 : held;
    run->answer.held_bytes = held;
    int64_t idle = held < request->idle_ceiling_bytes ? held : request->idle_ceiling_bytes;
    run->limit_bytes = idle + request->slot_bytes;
    failed = write_number(context->limit_fd, run->limit_bytes);
    if (failed < 0)
        return failed;
    write_number(context->peak_fd, 0); /* where it can be reset; elsewhere it is not open */
    return 0;
}

static void count_to_here(const struct context *context, struct run *run)
{
    if (run->answer.held_bytes < 0)
        return;
    int64_t peak = context->peak_fd < 0 ? 0 : read_number(context->peak_fd);
    run->answer.peak_bytes = peak_of_run(context, run, peak);
    int64_t kills = read_field(context->events_fd, "oom_kill") - run->kills_before;
    /* They are counted whichever group ran out of memory, or the machine. Version 2 counts beside them how often it was
     * this one; with version 1 the peak, that of the run there, has come to the limit. */
    int is_ours = read_field(context->events_fd, "oom") > run->ooms_before || peak > run->limit_bytes - LAST_STEP_BYTES;
    run->answer.kills = is_ours ? kills : 0;
    run->answer.others_kills = is_ours ? 0 : kills;
    if (run->cpu_before >= 0)
        run->answer.group_cpu_us = group_cpu_us(context->cpu_fd) - run->cpu_before;
}

/* --- in the fork: becoming the program -------------------------------------------------------------------------- */

static int capped(int kind, uint64_t soft, uint64_t hard)
{
    struct rlimit now;
    if (getrlimit(kind, &now) != 0)
        return -1;
    struct rlimit wanted = {soft < now.rlim_max ? soft : now.rlim_max, hard < now.rlim_max ? hard : now.rlim_max};
    return setrlimit(kind, &wanted);
}

/* The kernel shows a process its own /proc only while it is dumpable, and that is a matter of the memory it runs in: of
 * `borrowed` memory it is taken back before anybody else can run in this namespace. */
static const char *go_first_where_memory_runs_out(int proc_fd, int borrowed)
{
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        return "dumpable";
    int fd = openat(proc_fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int written = fd >= 0 && write(fd, "1000", 4) == 4;
    if (borrowed && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return "dumpable";
    if (fd >= 0)
        close(fd);
    return written ? NULL : "oom_score_adj";
}

static int64_t data_bytes(int proc_fd)
{
    char text[256];
    int fd = openat(proc_fd, "self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int64_t length = read_text(fd, text, sizeof text);
    close(fd);
    char *rest = text; /* size resident shared text lib data dt */
    for (int passed = 0; passed < 5 && rest; passed++)
        rest = strchr(rest + 1, ' ');
    return length < 0 || !rest ? -1 : digits(rest) * sysconf(_SC_PAGESIZE);
}

static int put(int from, int to, int *placed)
{
    if (to >= FIRST_PLACE + PLACES || dup3(from, to, to > 2 ? O_CLOEXEC : 0) < 0)
        return -1;
    if (to >= FIRST_PLACE)
        placed[to - FIRST_PLACE] = 1;
    return 0;
}

/* Whether the program is executed from here, in the memory of the init until it has its own. */
static int executes(const struct context *context, const struct request *request)
{
    return context->filter && request->n_arguments > 0;
}

/* Put the descriptors where the program expects them, and leave no others. */
static int place(const struct context *context, const struct run *run)
{
    int placed[PLACES] = {0};
    for (int i = 0; i < run->n_fds; i++)
        if (run->request.places[i] >= 0 && put(run->fds[i], run->request.places[i], placed) != 0)
            return -1;
    if (context->code_fd >= 0 && put(context->code_fd, CODE_PLACE, placed) != 0)
        return -1;
    /* Where nobody listens something is there, too: what a program finds is not for others to decide. */
    if (context->filter && !executes(context, &run->request) && !placed[FAREWELL_PLACE - FIRST_PLACE] &&
        put(2, FAREWELL_PLACE, placed) != 0)
        return -1;
    native_close_between(3, FIRST_PLACE - 1);
    native_close_between(FIRST_PLACE + PLACES, ~0U);
    for (int i = 0; i < PLACES; i++)
        if (!placed[i])
            close(FIRST_PLACE + i);
    return 0;
}

static const char *become(const struct context *context, const struct run *run)
{
    const struct request *request = &run->request;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    int64_t seconds = (request->cpu_us + 999999) / 1000000;
    int borrowed = executes(context, request);

    if (setsid() < 0) /* its process group is its own: what it does to that, it does to itself */
        return "setsid";
    const char *failed = go_first_where_memory_runs_out(context->proc_fd, borrowed);
    if (failed)
        return failed;
    int64_t own = borrowed ? 0 : data_bytes(context->proc_fd);
    if (own < 0)
        return "statm";
    if (place(context, run) != 0)
        return "descriptors";
    /* More than allowed: a longer file says that the limit was passed, and a report is no output of the program's. */
    if (capped(RLIMIT_FSIZE, request->output_bytes + REPORT_BYTES, request->output_bytes + REPORT_BYTES) != 0)
        return "RLIMIT_FSIZE";
    if (capped(RLIMIT_CPU, seconds + 1, seconds + 1) != 0) /* the init counts finer; this holds if it cannot */
        return "RLIMIT_CPU";
    if (request->processes >= 0 && capped(RLIMIT_NPROC, request->processes + 1, request->processes + 1) != 0)
        return "RLIMIT_NPROC"; /* the init is one of them */
    /* Threads of a native program take stacks of the size of the stack limit each, untouched for the most part. */
    int64_t stacks = 1 + (request->processes >= 0 ? request->processes : MANY_THREADS);
    uint64_t memory = own + request->memory_bytes, most = memory + stacks * STACK_BYTES;
    if (capped(RLIMIT_DATA, borrowed ? most : memory, most) != 0)
        return "RLIMIT_DATA";
    if (syscall(SYS_capset, &header, none) != 0)
        return "capset";
    if (context->filter && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, context->filter, 0, 0) != 0)
        return "seccomp";
    return NULL;
}

static void complain(const struct context *context, const char *step)
{
    struct complaint *complaint = (void *)context->complaint;
    complaint->error = errno ? errno : EPROTO;
    strncpy(complaint->step, step, sizeof complaint->step - 1);
    _exit(1);
}

static void become_or_complain(const struct context *context, const struct run *run)
{
    errno = 0;
    const char *step = become(context, run);
    if (step)
        complain(context, step);
}

/* Split the strings of a request; whether they are all there. */
static int split(const struct run *run, char **arguments, char **variables)
{
    const struct request *request = &run->request;
    char *text = (char *)run->message + request->strings_at;
    int64_t left = run->length - request->strings_at, wanted = request->n_arguments + request->n_variables;
    if (request->strings_at < (int64_t)sizeof *request || request->n_variables < 0 || wanted > MAX_STRINGS)
        return 0;
    for (int64_t i = 0; i < wanted; i++) {
        char *end = left > 0 ? memchr(text, 0, left) : NULL;
        if (!end)
            return 0;
        *(i < request->n_arguments ? arguments + i : variables + i - request->n_arguments) = text;
        left -= end + 1 - text;
        text = end + 1;
    }
    arguments[request->n_arguments] = variables[request->n_variables] = NULL;
    return 1;
}

/* Be a program of its own. Nothing of ours is written to but this stack. */
static void execute(const struct context *context, const struct run *run, char **arguments, char **variables)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (run->request.image)
        syscall(SYS_execveat, IMAGE_PLACE, "", arguments, variables, AT_EMPTY_PATH);
    else
        execve(arguments[0], arguments, variables);
    if (!run->request.image && errno != ENOMEM && errno != E2BIG) /* a tool that was there is gone */
        complain(context, arguments[0]);
    /* Too large for its limits, or no program at all: either way it is what was submitted. */
    dprintf(2, "cannot start: %s\n", strerror(errno));
    _exit(127);
}

/* For a fork that has its walls: what the far side would believe is out of its reach from here on. */
void native_confined(const struct context *context)
{
    munmap((void *)context->complaint, context->complaint_bytes);
}

/* --- in the init ------------------------------------------------------------------------------------------------- */

/* Start a program of its own: nothing of the init is copied for it. Its process id, when it has begun or failed to.
 *
 * Until then it runs in our memory, while we wait, and everything else of it is its own already. */
static pid_t spawn(const struct context *context, const struct run *run)
{
    char *arguments[MAX_STRINGS + 1], *variables[MAX_STRINGS + 1];
    if (!split(run, arguments, variables)) {
        errno = EPROTO;
        return -1;
    }
    pid_t pid = vfork();
    if (pid == 0) {
        become_or_complain(context, run);
        execute(context, run, arguments, variables);
    }
    return pid;
}

/* --- a standby: the first program's process, made before anybody knows what it is to be -------------------------- */

static pid_t plain_fork(void)
{
    return _Fork ? _Fork() : fork();
}

/* Make it: 0 in it, its process id here. */
static int64_t make_standby(struct context *context)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    pid_t pid = plain_fork();
    int error = errno;
    if (pid == 0 && dup3(ends[1], context->channel, O_CLOEXEC) < 0) /* what the far side says is not for it */
        complain(context, "standby");
    close(ends[1]);
    if (pid > 0) {
        context->standby_pid = pid;
        context->standby_fd = ends[0];
    } else {
        close(ends[0]);
    }
    return pid < 0 ? -error : pid;
}

/* What a standby has used is not the program's. */
static void note_what_was_ahead(const struct context *context)
{
    struct complaint *complaint = (void *)context->complaint;
    struct timespec used;
    char text[64];
    int fd = openat(context->proc_fd, "self/schedstat", O_RDONLY | O_CLOEXEC);
    const char *waited = fd >= 0 && read_text(fd, text, sizeof text) > 0 ? strchr(text, ' ') : NULL;
    complaint->ahead_waited_ns = waited ? digits(waited) : 0;
    if (fd >= 0)
        close(fd);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    complaint->ahead_cpu_us = used.tv_sec * 1000000LL + used.tv_nsec / 1000;
}

/* Take as its own what it would be given page by page when it writes there: nobody waits for it yet. */
static void touch(const struct context *context)
{
    for (int64_t i = 0; i < context->n_written; i++)
        if (madvise((void *)context->written[i].start, context->written[i].bytes, MADV_POPULATE_WRITE) != 0)
            return; /* before Linux 5.14 */
}

/* What the interpreter is to do in a process that has its limits. */
static int64_t become_event(const struct run *run)
{
    for (int i = 0; i < run->n_fds; i++)
        if (run->request.script && run->request.places[i] == FAREWELL_PLACE)
            return BECAME_HEARD_SCRIPT;
    return run->request.script ? BECAME_SCRIPT : BECAME;
}

/* In a standby: wait for the request, and take upon itself what it says. What `become_event` says. */
static int64_t stand_by(const struct context *context, struct run *run)
{
    touch(context);
    note_what_was_ahead(context);
    errno = 0;
    if (receive(context, run) <= 0) /* our failure: an end without a word would be the program's */
        complain(context, "standby");
    become_or_complain(context, run);
    native_confined(context);
    return become_event(run);
}

/* Have the standby be the program of the request: its process id, or 0 where there is none that can. */
static pid_t wake(struct context *context, struct run *run)
{
    pid_t pid = context->standby_pid;
    if (!pid)
        return 0;
    int64_t told = run->request.n_inputs ? run->request.inputs_at : run->length;
    int cannot = run->request.by_hand || executes(context, &run->request) ||
                 send_all(context->standby_fd, run->message, told, run->fds, run->n_fds) < 0;
    context->standby_pid = 0;
    close(context->standby_fd);
    if (!cannot)
        return pid;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* Our end stays open as long as the run: who writes to a pipe that nobody has is killed for it. */
static void stop_listening(struct run *run)
{
    if (run->farewell_fd > 0)
        run->farewell_fd = -run->farewell_fd;
}

static void close_farewell(struct run *run)
{
    stop_listening(run);
    if (run->farewell_fd < 0)
        close(-run->farewell_fd);
    run->farewell_fd = 0;
}

/* Have a pipe by which the program may say farewell: our end is ours alone, whatever it does to its own. Nobody listens
 * to one that is not waited for by itself, or is executed. */
static int64_t listen_for_farewell(const struct context *context, struct run *run)
{
    const struct request *request = &run->request;
    int ends[2];
    close_farewell(run);
    if (!context->filter || executes(context, request) || request->n_inputs > 1 || request->watched ||
        request->waited_for || request->by_hand || run->n_fds == MAX_FDS)
        return 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    run->farewell_fd = ends[0];
    run->request.places[run->n_fds] = FAREWELL_PLACE;
    run->fds[run->n_fds++] = ends[1];
    return 0;
}

/* Have a process for the request of `run`: 0 in what is to become the program, its process id here. A program of its
 * own is executed, and a standby is told; then this returns no second time. */
int64_t native_start(struct context *context, struct run *run)
{
    struct complaint *complaint = (void *)context->complaint;
    memset(&run->answer, 0, sizeof run->answer);
    int64_t failed = count_from_here(context, run);
    if (failed < 0)
        return failed;
    failed = listen_for_farewell(context, run);
    if (failed < 0)
        return failed;
    complaint->error = 0;
    run->lingers = 0;
    run->started_ns = now_ns();
    pid_t pid = wake(context, run);
    if (pid == 0) {
        complaint->ahead_cpu_us = complaint->ahead_waited_ns = 0;
        pid = executes(context, &run->request) ? spawn(context, run) : plain_fork();
    }
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        run->pidfd = syscall(SYS_pidfd_open, pid, 0); /* now: later there may be no memory for it */
        return run->pid = pid;
    }
    become_or_complain(context, run);
    if (context->filter)
        native_confined(context);
    return 0;
}

/* --- how a program ends ------------------------------------------------------------------------------------------ */

/* Before anything that may need a page: none may be left, and it is not the program's now. */
static void allow_our_own(const struct context *context, const struct run *run)
{
    if (run->limit_bytes)
        write_number(context->limit_fd, run->limit_bytes + OUR_OWN_BYTES);
}

static void note_end(const struct context *context, struct run *run, int status, int64_t cpu_us, int64_t rss_kb)
{
    cpu_us -= ((const struct complaint *)context->complaint)->ahead_cpu_us;
    run->answer.status = status;
    run->answer.cpu_us = cpu_us < 0 ? 0 : cpu_us;
    run->answer.rss_kb = rss_kb;
    run->answer.wall_us = (now_ns() - run->started_ns) / 1000;
}

static void close_pidfd(struct run *run)
{
    close(run->pidfd);
    run->pidfd = -1;
}

static int64_t reap(const struct context *context, struct run *run)
{
    int status;
    struct rusage used;
    allow_our_own(context, run);
    close_pidfd(run);
    if (wait4(run->pid, &status, 0, &used) != run->pid)
        return -errno;
    note_end(context, run, status, microseconds(&used), used.ru_maxrss);
    return 1;
}

/* The last process or thread that was started in this namespace. The file has been read before, and takes no memory. */
static int64_t last_started(const struct context *context)
{
    char text[128];
    const char *last = read_text(context->loadavg_fd, text, sizeof text) > 0 ? strrchr(text, ' ') : NULL;
    return last ? digits(last) : -EIO;
}

/* The most that a living process has held: what `wait4` says of a dead one, or -errno. */
static int64_t most_resident_kb(const struct context *context, pid_t pid)
{
    char path[32], text[4096];
    snprintf(path, sizeof path, "%d/status", pid);
    int fd = openat(context->proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const char *most = read_text(fd, text, sizeof text) > 0 ? strstr(text, "\nVmHWM:\t") : NULL;
    close(fd);
    return most ? digits(most + strlen("\nVmHWM:\t")) : -EIO;
}

/* Whether all is known of a run that its program says is over: it is one process of one thread and has started no other,
 * it has not run for long enough to have passed its CPU limit, and the group counts for it alone. */
static int is_known(const struct context *context, const struct run *run, int64_t wall_us)
{
    const struct request *request = &run->request;
    return run->answer.held_bytes >= 0 && request->slot_bytes == request->memory_bytes && wall_us <= request->cpu_us &&
           last_started(context) == run->pid;
}

/* A program says with which code it is about to exit, for the kernel takes its time to give its memory back. Take it at
 * its word, or not: 1 or 0.
 *
 * What it has written by then is what it has written, and it is killed: who says so too early has exited early. Of the
 * CPU time of what runs on another core the kernel tells no more than at its last tick; the program says what it is, to
 * the nanosecond. */
static int64_t heed_farewell(const struct context *context, struct run *run)
{
    uint64_t said;
    struct timespec known;
    clockid_t its_clock = ~(clockid_t)run->pid << 3 | 2; /* see clock_getcpuclockid(3) */
    int64_t wall_us = (now_ns() - run->started_ns) / 1000;
    if (read(run->farewell_fd, &said, sizeof said) != sizeof said || !is_known(context, run, wall_us))
        return 0;
    allow_our_own(context, run);
    int64_t rss_kb = context->peak_fd >= 0 ? 0 : most_resident_kb(context, run->pid); /* not where the group tells */
    if (rss_kb < 0 || clock_gettime(its_clock, &known) != 0)
        return 0;
    kill(run->pid, SIGKILL);
    run->lingers = 1;
    int64_t known_us = known.tv_sec * 1000000LL + known.tv_nsec / 1000, said_us = said / FAREWELL_CODES / 1000;
    int64_t cpu_us = said_us > known_us ? said_us : known_us;
    note_end(context, run, said % FAREWELL_CODES << 8, cpu_us < wall_us ? cpu_us : wall_us, rss_kb);
    return 1;
}

/* 1: the program has ended and was reaped, or has said that it ends, where that is listened for. 0: not yet. -EPIPE: the
 * far side is gone; it is not looked at where `alone`. */
int64_t native_wait(const struct context *context, struct run *run, int milliseconds, int alone)
{
    struct pollfd polled[3] = {
        {run->pidfd, POLLIN, 0},
        {alone ? -1 : context->channel, 0, 0}, /* only its end */
        {run->farewell_fd > 0 ? run->farewell_fd : -1, POLLIN, 0},
    };
    int ready;
    if (run->pidfd < 0)
        return -EMFILE;
    do
        ready = poll(polled, 3, milliseconds);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return -errno;
    if (polled[1].revents)
        return -EPIPE;
    if (polled[0].revents)
        return reap(context, run);
    int64_t heeded = polled[2].revents & POLLIN ? heed_farewell(context, run) : 0;
    if (polled[2].revents)
        stop_listening(run);
    return heeded;
}

/* What the slot has used since the run began, or less than 0 where that is not to be had. It takes no memory, of which
 * there may be none left. */
int64_t native_group_cpu_us(const struct context *context, const struct run *run)
{
    if (run->answer.held_bytes < 0 || run->cpu_before < 0)
        return -1;
    int64_t now = group_cpu_us(context->cpu_fd);
    return now < 0 ? now : now - run->cpu_before;
}

/* Kill and await everybody else in the namespace whose first process this is, adding up what they have used. */
static void end_everybody(struct run *run)
{
    for (;;) {
        kill(-1, SIGKILL); /* again in each round: what is being forked while we kill must not get away */
        struct rusage used;
        pid_t pid = wait4(-1, NULL, 0, &used);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return;
        run->answer.cpu_us += microseconds(&used);
        if (used.ru_maxrss > run->answer.rss_kb)
            run->answer.rss_kb = used.ru_maxrss;
    }
}

/* Whether /tmp is as it was mounted. Its change time cannot be set back, but is as coarse as a tick of the kernel: what
 * changes without it, in the tick in which it was mounted, is looked at. */
static int is_untouched(const struct context *context)
{
    struct stat found;
    if (stat("/tmp", &found) != 0 || found.st_mode != (S_IFDIR | 01777) || llistxattr("/tmp", NULL, 0) > 0 ||
        found.st_ctim.tv_sec * 1000000000LL + found.st_ctim.tv_nsec != context->tmp_changed_at_ns)
        return 0;
    DIR *directory = opendir("/tmp");
    if (!directory)
        return 0;
    int entries = 0;
    while (entries <= 2 && readdir(directory))
        entries++;
    closedir(directory);
    return entries == 2;
}

/* What the program's output, errors and report take, which are held in the memory of the slot. */
static int64_t printed(const struct run *run)
{
    int64_t bytes = 0;
    struct stat found;
    for (int i = 0; i < run->n_fds; i++) {
        int place = run->request.places[i];
        if ((place == 1 || place == 2 || place == FIRST_PLACE) && fstat(run->fds[i], &found) == 0)
            bytes += found.st_blocks * 512LL;
    }
    return bytes;
}

/* End whatever else the program has started, and count what the run used. Whether /tmp is as it was. */
int native_finish(const struct context *context, struct run *run)
{
    if (context->filter && !run->lingers)
        end_everybody(run);
    count_to_here(context, run);
    run->printed_bytes = printed(run);
    return context->filter && is_untouched(context);
}

/* See a program off that was taken at its word. What it did since is not its run, and nothing of it is left: 0 or -errno.
 */
static int64_t see_off(struct context *context, struct run *run)
{
    if (!run->lingers)
        return 0;
    struct answer told = run->answer; /* or about to be */
    run->lingers = 0;
    close_pidfd(run);
    end_everybody(run);
    run->answer = told;
    return is_untouched(context) ? 0 : native_renew_tmp(context);
}

/* The descriptors of a test of a series, behind that of the program, which all of them share. */
enum series_fd { PROGRAM, STDIN, STDOUT, STDERR, REPORT, SERIES_FDS };

static int is_series(const struct run *run)
{
    return run->request.n_inputs > 0;
}

/* Put the answer at the end of the reply: 1 where all that was printed is in it, too. */
static int add_record(struct series *series, struct run *run)
{
    struct record record;
    struct stat found;
    int64_t sizes[3], total = 0;
    run->answer.kind = SERIES;
    record.answer = run->answer;
    for (int i = 0; i < 3; i++) {
        sizes[i] = fstat(run->fds[STDOUT + i], &found) == 0 ? found.st_size : MAX_PRINTED_BYTES + 1;
        total = sizes[i] > MAX_PRINTED_BYTES ? MAX_PRINTED_BYTES + 1 : total + sizes[i];
    }
    int inlined = total <= MAX_PRINTED_BYTES;
    char *end = series->reply + series->reply_bytes, *text = end + sizeof record;
    for (int i = 0; i < 3 && inlined; i++) {
        inlined = pread(run->fds[STDOUT + i], text, sizes[i], 0) == sizes[i];
        text += sizes[i];
    }
    record.stdout_bytes = inlined ? sizes[0] : -1;
    record.stderr_bytes = inlined ? sizes[1] : -1;
    record.report_bytes = inlined ? sizes[2] : -1;
    memcpy(end, &record, sizeof record);
    series->reply_bytes += sizeof record + (inlined ? total : 0);
    return inlined;
}

/* Send the answers, with the descriptors of what the last has printed unless that is `inlined`. */
static int64_t send_series(const struct context *context, const struct run *run, int inlined)
{
    struct series *series = (void *)context->series;
    return send_all(context->channel, series->reply, series->reply_bytes, run->fds + STDOUT, inlined ? 0 : 3);
}

/* Send the answer, with a descriptor where `product_fd` is one; that of a series with those before it. */
int64_t native_answer(const struct context *context, struct run *run, int product_fd)
{
    if (is_series(run))
        return send_series(context, run, add_record((void *)context->series, run));
    run->answer.kind = ANSWER;
    return send_all(context->channel, &run->answer, sizeof run->answer, &product_fd, product_fd >= 0);
}

void native_close_descriptors(struct run *run)
{
    close_farewell(run);
    for (int i = 0; i < run->n_fds; i++)
        close(run->fds[i]);
    run->n_fds = 0;
}

/* What has been written to standard output. */
static int64_t written_to_stdout(const struct run *run)
{
    struct stat found;
    for (int i = 0; i < run->n_fds; i++)
        if (run->request.places[i] == 1 && fstat(run->fds[i], &found) == 0)
            return found.st_size;
    return 0;
}

/* Wait for the program for as long as it passes no limit, which takes no memory: it may have left none. 1: it has ended.
 * 0: the caller has to look at it. */
static int64_t wait_within_limits(const struct context *context, struct run *run)
{
    const struct request *request = &run->request;
    int64_t longest_ms = request->watched ? LOOK_AT_MEMORY_MS : LOOK_MS, cpu_us = 0, wall_us = 0;
    for (;;) {
        int64_t cpu_ms = (request->cpu_us - cpu_us) / 1000 / context->cores;
        int64_t wall_ms = (request->wall_us - wall_us) / 1000;
        int64_t milliseconds = cpu_ms < wall_ms ? cpu_ms : wall_ms;
        milliseconds = milliseconds < longest_ms ? milliseconds : longest_ms;
        int64_t done = native_wait(context, run, milliseconds < 2 ? 2 : milliseconds, 0);
        if (done != 0 || request->watched || request->waited_for)
            return done;
        cpu_us = native_group_cpu_us(context, run);
        wall_us = (now_ns() - run->started_ns) / 1000;
        if (cpu_us < 0 || cpu_us > request->cpu_us || wall_us > request->wall_us ||
            written_to_stdout(run) > request->output_bytes)
            return 0;
    }
}

/* Make the descriptors for the next input of a series: 0, or -errno. */
static int64_t open_next(struct series *series, struct run *run)
{
    static const char *const names[] = {"stdin", "stdout", "stderr", "report"};
    static const int places[] = {0, 1, 2, FIRST_PLACE};
    int64_t length;
    if (series->input_at + (int64_t)sizeof length > series->inputs_bytes)
        return -EPROTO;
    memcpy(&length, series->inputs + series->input_at, sizeof length);
    series->input_at += sizeof length;
    if (length < 0 || length > series->inputs_bytes - series->input_at)
        return -EPROTO;
    for (int i = STDIN; i < SERIES_FDS; i++) {
        run->fds[i] = memfd_create(names[i - STDIN], MFD_CLOEXEC | (i == STDIN ? MFD_ALLOW_SEALING : 0));
        if (run->fds[i] < 0)
            return -errno;
        run->request.places[i] = places[i - STDIN];
        run->n_fds = i + 1;
    }
    errno = EIO;
    if (pwrite(run->fds[STDIN], series->inputs + series->input_at, length, 0) != length)
        return -errno;
    series->input_at += length;
    if (fcntl(run->fds[STDIN], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return -errno;
    return 0;
}

static void close_last(struct run *run)
{
    close_farewell(run);
    for (int i = STDIN; i < run->n_fds; i++)
        close(run->fds[i]);
    run->n_fds = 1;
    run->printed_bytes = 0;
}

/* Start the program of the request, and wait for its end. GONE: it has ended and left nothing; to be answered, and then
 * seen off. Else what the caller is told. */
static int64_t run_once(struct context *context, struct run *run)
{
    const struct complaint *complaint = (const void *)context->complaint;
    int64_t done = native_start(context, run);
    if (done == 0)
        return become_event(run);
    if (done > 0)
        done = wait_within_limits(context, run);
    if (done <= 0) {
        stop_listening(run); /* who looks at it from here on waits for its end */
        return done == 0 ? RUNNING : done == -EPIPE ? CLOSED : done;
    }
    if (native_finish(context, run) && !complaint->error)
        return GONE;
    done = see_off(context, run);
    return done < 0 ? done : ENDED;
}

/* Run the program of a series on its inputs, one after the other, as long as it ends well, at once and prints little;
 * answer for all that were run. GONE, or what the caller is told; what it answers then is the last. */
static int64_t run_series(struct context *context, struct run *run)
{
    struct series *series = (void *)context->series;
    char *inputs = run->message + run->request.inputs_at;
    series->inputs_bytes = run->length - run->request.inputs_at;
    if (run->n_fds != 1 || run->request.inputs_at < (int64_t)sizeof run->request || series->inputs_bytes < 0)
        return -EPROTO;
    memcpy(series->inputs, inputs, series->inputs_bytes);
    memset(inputs, 0, series->inputs_bytes);
    series->input_at = series->reply_bytes = 0;
    for (int64_t left = run->request.n_inputs; left > 0; left--) {
        int64_t done = open_next(series, run);
        done = done < 0 ? done : run_once(context, run);
        if (done != GONE)
            return done;
        int inlined = add_record(series, run);
        int64_t room = MAX_REPLY_BYTES - series->reply_bytes - MAX_PRINTED_BYTES - 2 * (int64_t)sizeof(struct record);
        int ends = left == 1 || !inlined || run->answer.status != 0 || room < 0;
        if (ends)
            done = send_series(context, run, inlined);
        int64_t failed = see_off(context, run);
        if (inlined)
            close_last(run);
        done = done < 0 ? done : failed;
        if (done < 0)
            return done == -EPIPE ? CLOSED : done;
        if (ends)
            break;
    }
    return GONE;
}

/* Answer requests as long as their programs end at once; return where the caller is needed.
 *
 * CLOSED: the far side is gone. TO_ENTER: a room that the caller has to make. TO_START: a run that it has to start.
 * BECAME, BECAME_SCRIPT, BECAME_HEARD_SCRIPT: this is the process that is to become the program. RUNNING: it was
 * started and has not ended. ENDED: it has, is counted, and has left something in /tmp or a complaint; to be answered.
 * The caller closes the descriptors. */
int64_t native_serve(struct context *context, struct run *run)
{
    for (;;) {
        int64_t length = receive(context, run);
        if (length <= 0)
            return length == 0 ? CLOSED : length;
        if (run->room.kind == ROOM && length >= (int64_t)sizeof run->room) {
            if (!context->submission_filter || run->room.by_hand)
                return TO_ENTER;
            int64_t failed = native_enter(context, run);
            if (failed < 0)
                return failed;
            failed = run->room.standby ? make_standby(context) : 1;
            if (failed < 0)
                return failed;
            native_unpin(context);
            if (failed == 0)
                return stand_by(context, run);
            continue;
        }
        if (length < (int64_t)sizeof run->request || run->request.kind != RUN || run->request.n_fds != run->n_fds)
            return -EPROTO;
        int64_t done;
        if (run->request.ahead && run->printed_bytes > LITTLE_BYTES) {
            memset(&run->answer, 0, sizeof run->answer);
            run->answer.kind = ANSWER;
            run->answer.reason = ASK_AGAIN;
            done = send_all(context->channel, &run->answer, sizeof run->answer, NULL, 0);
        } else if (!context->filter || run->request.by_hand) {
            return TO_START;
        } else {
            done = is_series(run) ? run_series(context, run) : run_once(context, run);
            if (done != GONE)
                return done;
            done = is_series(run) ? 0 : native_answer(context, run, -1);
            int64_t failed = see_off(context, run);
            done = done < 0 ? done : failed;
        }
        native_close_descriptors(run);
        if (done < 0)
            return done == -EPIPE ? CLOSED : done;
    }
}
