/* What the zygote does when it is warm: start the init of each submission, and say when it has ended with everything
 * below it. An init serves from here, too, and comes back only for what needs the interpreter, which both of them would
 * pay for in pages.
 */
#define _GNU_SOURCE
#include "room.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define MAX_INITS 64

struct nursery {
    int n_inits;
    struct pollfd polled[1 + MAX_INITS]; /* first the socket to the far side, then inits */
    pid_t pids[1 + MAX_INITS];
    int64_t numbers[1 + MAX_INITS]; /* which the far side has given them */
};

/* A fork into new namespaces. The caller has one thread and goes on as it was: nothing of the interpreter is told. */
int64_t native_clone(int64_t flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    return pid < 0 ? -errno : pid;
}

/* A number, and the socket that comes with it: 1, 0 when the far side is gone, or -errno. */
static int64_t receive_number(int control, int64_t *number, int *fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control_message;
    struct iovec part = {number, sizeof *number};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control_message.bytes,
                             .msg_controllen = sizeof control_message.bytes};
    ssize_t length;
    do
        length = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length <= 0)
        return length < 0 && errno != ECONNRESET ? -errno : 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (length != sizeof *number || !head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof *fd))
        return -EPROTO;
    memcpy(fd, CMSG_DATA(head), sizeof *fd);
    return 1;
}

/* Await an init that has ended, and say so. */
static void bury(struct nursery *nursery, int at)
{
    while (waitpid(nursery->pids[at], NULL, 0) < 0 && errno == EINTR)
        ;
    close(nursery->polled[at].fd);
    send(nursery->polled[0].fd, &nursery->numbers[at], sizeof *nursery->numbers, MSG_NOSIGNAL);
    int last = nursery->n_inits--;
    nursery->polled[at] = nursery->polled[last];
    nursery->pids[at] = nursery->pids[last];
    nursery->numbers[at] = nursery->numbers[last];
}

/* Be the init of a submission: why the interpreter is needed, or -errno. */
static int64_t live(struct context *context, struct run *run, int socket_fd, int user, int group)
{
    int64_t event = native_begin(context, socket_fd, user, group);
    if (event == 0)
        event = native_serve(context, run);
    if (event == CLOSED)
        _exit(0);
    return event;
}

/* Start inits for as long as the far side is there: 1 when it is gone. 0 in an init that needs the interpreter, and in
 * `event` for what; see `live`. */
int64_t native_nurse(struct context *context, struct run *run, int control, int64_t flags, int64_t *event)
{
    const int user = getuid(), group = getgid(); /* here: in a new user namespace both are nobody's */
    struct nursery nursery = {.polled = {{control, POLLIN, 0}}};
    for (;;) {
        if (poll(nursery.polled, 1 + nursery.n_inits, -1) < 0) {
            if (errno != EINTR)
                return -errno;
            continue;
        }
        for (int at = nursery.n_inits; at > 0; at--)
            if (nursery.polled[at].revents)
                bury(&nursery, at);
        if (!nursery.polled[0].revents)
            continue;
        int fd = -1, at = ++nursery.n_inits;
        int64_t came = at > MAX_INITS ? -EMFILE : receive_number(control, &nursery.numbers[at], &fd);
        if (came <= 0)
            return came < 0 ? came : 1;
        int64_t pid = native_clone(flags);
        if (pid == 0) {
            *event = live(context, run, fd, user, group);
            return 0;
        }
        close(fd);
        if (pid < 0)
            return pid;
        int pidfd = syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
            return -errno;
        nursery.polled[at] = (struct pollfd){pidfd, POLLIN, 0};
        nursery.pids[at] = pid;
    }
}
