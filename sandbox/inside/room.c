/* What every submission goes through: an init of its own, in namespaces of its own, and the room in which its programs
 * run. In C for the reason that `native.c` gives: the init is a fork of the interpreter, and writes to few of its pages.
 */
#define _GNU_SOURCE
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define HIGHEST_FD 1024
#define CHANNEL_FD 3
#define INNER_ID 1000
#define OPEN_FILES 256
#define HIDDEN (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Leave word of what failed, for the caller to read where it would read it of a fork. */
static int64_t failure(const struct context *context, const char *step)
{
    struct complaint *complaint = (void *)context->complaint;
    complaint->error = errno ? errno : EPROTO;
    strncpy(complaint->step, step, sizeof complaint->step - 1);
    return -complaint->error;
}

static int written(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = strlen(text), done = write(fd, text, length);
    close(fd);
    return done == length ? 0 : -1;
}

/* Close every descriptor from the first to the last. */
void native_close_between(unsigned first, unsigned last)
{
    if (syscall(SYS_close_range, first, last, 0) == 0)
        return;
    for (unsigned fd = first; fd <= last && fd < HIGHEST_FD; fd++)
        close(fd);
}

/* A page that forks share with their init, and what they do not even see of it. */
int64_t native_new_pages(struct context *context)
{
    context->complaint_bytes = sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, context->complaint_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -errno;
    context->complaint = (int64_t)page;
    page = mmap(NULL, sizeof(struct series), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, sizeof(struct series), MADV_DONTFORK) != 0)
        return -errno;
    context->series = (int64_t)page;
    return 0;
}

/* Be nothing of the zygote's but its child: neither in its session, nor with its descriptors. */
int64_t native_stand_alone(struct context *context, int socket_fd)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return -errno;
    if (setsid() < 0) /* a signal to the process group crosses pid namespaces: the zygote must not be in ours */
        return -errno;
    if (socket_fd != CHANNEL_FD && dup3(socket_fd, CHANNEL_FD, O_CLOEXEC) < 0)
        return -errno;
    native_close_between(CHANNEL_FD + 1, ~0U);
    context->channel = CHANNEL_FD;
    return native_new_pages(context);
}

/* Be the first process of new namespaces, whose `user` and `group` these were outside. */
int64_t native_begin(struct context *context, int socket_fd, int user, int group)
{
    char map[64];
    if (getpid() != 1) /* outside of a pid namespace an init would signal everybody */
        return -EPROTO;
    int64_t failed = native_stand_alone(context, socket_fd);
    if (failed < 0)
        return failed;
    errno = 0;
    if (written("/proc/self/setgroups", "deny") != 0)
        return failure(context, "setgroups");
    snprintf(map, sizeof map, "%d %d 1", INNER_ID, user);
    if (written("/proc/self/uid_map", map) != 0)
        return failure(context, "uid_map");
    snprintf(map, sizeof map, "%d %d 1", INNER_ID, group);
    if (written("/proc/self/gid_map", map) != 0)
        return failure(context, "gid_map");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return failure(context, "dumpable");
    return 0;
}

/* Take every capability out of what an exec could give back. */
int64_t native_drop_bounding_set(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return -errno;
    return 0;
}

static const char *mount_tmp(struct context *context)
{
    char options[96];
    struct stat found;
    snprintf(options, sizeof options, "size=%lld,nr_inodes=%lld,mode=1777", (long long)context->disk_bytes,
             (long long)context->inodes);
    if (mount("tmpfs", "/tmp", "tmpfs", HIDDEN | MS_NOATIME, options) != 0)
        return "mount tmpfs on /tmp";
    if (chdir("/tmp") != 0 || stat("/tmp", &found) != 0)
        return "/tmp";
    context->tmp_changed_at_ns = found.st_ctim.tv_sec * 1000000000LL + found.st_ctim.tv_nsec;
    return NULL;
}

/* Leave nothing in /tmp. */
int64_t native_renew_tmp(struct context *context)
{
    errno = 0;
    if (chdir("/") != 0 || umount2("/tmp", MNT_DETACH) != 0)
        return failure(context, "unmount /tmp");
    const char *step = mount_tmp(context);
    return step ? failure(context, step) : 0;
}

static int capped(int kind, rlim_t most)
{
    struct rlimit limit;
    if (getrlimit(kind, &limit) != 0)
        return -1;
    if (most < limit.rlim_max)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(kind, &limit);
}

static const char *make_ready(struct context *context)
{
    struct rlimit stack;
    context->code_fd = memfd_create("code", MFD_CLOEXEC); /* keeps the compiled code from run to run */
    if (context->code_fd < 0)
        return "code";
    if (capped(RLIMIT_CORE, 0) != 0 || capped(RLIMIT_NOFILE, OPEN_FILES) != 0)
        return "limits";
    /* The soft limit alone: programs with deep recursion raise it, and memory is limited elsewhere. */
    if (getrlimit(RLIMIT_STACK, &stack) != 0)
        return "RLIMIT_STACK";
    stack.rlim_cur = STACK_BYTES < stack.rlim_max ? STACK_BYTES : stack.rlim_max;
    return setrlimit(RLIMIT_STACK, &stack) == 0 ? NULL : "RLIMIT_STACK";
}

/* Keep the times of devices, which are the host's own files, from being set: one program would read what another wrote.
 * They are those of `jail.py`. Execution may be denied on the host's /dev, and what is denied there must be here. */
static const char *close_devices(void)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    const unsigned long closed = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC;
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
        if (mount(NULL, devices[i], NULL, closed, NULL) != 0 && errno != ENOENT)
            return devices[i];
    return NULL;
}

/* Make what every run takes, and take on what every run inherits. */
int64_t native_make_ready(struct context *context)
{
    errno = 0;
    const char *step = make_ready(context);
    return step ? failure(context, step) : 0;
}

/* The files of the control group are ours from here on. */
static const char *take_group(struct context *context, struct run *run)
{
    int64_t *files[GROUP_FILES] = {&context->limit_fd, &context->peak_fd,   &context->usage_fd,
                                   &context->stat_fd,  &context->events_fd, &context->cpu_fd};
    for (int i = 0; i < GROUP_FILES; i++) {
        int64_t at = run->room.group[i];
        if (at >= run->n_fds)
            return "group";
        *files[i] = at < 0 ? -1 : run->fds[at];
    }
    run->n_fds = 0;
    return NULL;
}

static const char *enter(struct context *context, struct run *run)
{
    struct room *room = &run->room;
    char proc[sizeof room->root + 8], limit[sizeof proc + 32];
    const char *step = take_group(context, run);
    if (step)
        return step;
    if (!memchr(room->root, 0, sizeof room->root))
        return "root";
    snprintf(proc, sizeof proc, "%s/proc", room->root);
    if (mount("proc", proc, "proc", HIDDEN, NULL) != 0)
        return "mount proc";
    /* Counted against this very user namespace: nothing inside can make another one. */
    snprintf(limit, sizeof limit, "%s/sys/user/max_user_namespaces", proc);
    if (written(limit, "0") != 0)
        return "max_user_namespaces";
    /* Ours to write to, through this descriptor; the program sees the read-only one that covers it. */
    context->proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (context->proc_fd < 0 || mount("proc", proc, "proc", HIDDEN | MS_RDONLY, NULL) != 0)
        return "mount proc over itself";
    context->loadavg_fd = openat(context->proc_fd, "loadavg", O_RDONLY | O_CLOEXEC);
    if (context->loadavg_fd < 0 || read(context->loadavg_fd, proc, sizeof proc) < 0) /* which takes what memory it needs */
        return "loadavg";
    if (native_drop_bounding_set() < 0)
        return "bounding set";
    if (chroot(room->root) != 0)
        return "chroot";
    context->disk_bytes = room->disk_bytes;
    context->inodes = room->inodes;
    step = close_devices();
    if (!step)
        step = mount_tmp(context);
    if (!step)
        step = make_ready(context);
    if (step)
        return step;
    context->filter = context->program_filters[room->memory_is_accounted != 0];
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, context->submission_filter, 0, 0) == 0 ? NULL : "seccomp";
}

/* Run on whatever core is free. What makes ready for a submission keeps to that of its slot: it has time, and the others
 * are left to who is waited for. */
void native_unpin(const struct context *context)
{
    if (context->pinned) /* fails where none of them is left to us, and the kernel has moved us then */
        sched_setaffinity(0, sizeof context->cores_allowed, (const cpu_set_t *)context->cores_allowed);
}

/* Enter the root directory of the language, with a /proc and a /tmp of our own, as the message of `run` says. */
int64_t native_enter(struct context *context, struct run *run)
{
    errno = 0;
    const char *step = enter(context, run);
    return step ? failure(context, step) : 0;
}

/* What the structures take, for whoever mirrors them. */
void native_sizes(int64_t sizes[5])
{
    sizes[0] = sizeof(struct context);
    sizes[1] = sizeof(struct room);
    sizes[2] = sizeof(struct request);
    sizes[3] = sizeof(struct answer);
    sizes[4] = sizeof(struct run);
}
