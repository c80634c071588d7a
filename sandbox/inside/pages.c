/* Which pages programs write to: what the zygote asks a fork that has done what programs do. */
#define _GNU_SOURCE
#include "room.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define OF_A_FILE (1ULL << 61) /* see proc_pid_pagemap(5) */
#define PRESENT (1ULL << 63)
#define OURS_ALONE (1ULL << 56)

static int64_t hexadecimal(const char **text)
{
    int64_t number = 0;
    for (;; (*text)++) {
        int digit = **text >= '0' && **text <= '9' ? **text - '0' : **text >= 'a' && **text <= 'f' ? **text - 'a' + 10 : -1;
        if (digit < 0)
            return number;
        number = number * 16 + digit;
    }
}

/* Add the pages between two addresses that are no longer shared with the process that this was forked from. */
static int find_written(int pagemap_fd, int64_t start, int64_t end, struct range *found, int n_found)
{
    const int64_t page = sysconf(_SC_PAGESIZE);
    uint64_t entries[512];
    for (int64_t at = start; at < end; at += sizeof entries / sizeof *entries * page) {
        int64_t length = pread(pagemap_fd, entries, sizeof entries, at / page * sizeof *entries);
        for (int64_t i = 0; i < length / (int64_t)sizeof *entries && at + i * page < end; i++) {
            if ((entries[i] & (OF_A_FILE | PRESENT | OURS_ALONE)) != (PRESENT | OURS_ALONE))
                continue;
            struct range *last = found + n_found - 1;
            if (n_found > 0 && last->start + last->bytes == at + i * page)
                last->bytes += page;
            else if (n_found < MAX_RANGES)
                found[n_found++] = (struct range){at + i * page, page};
        }
    }
    return n_found;
}

/* In a fork that has done what programs do: write to `fd` where it has pages of its own by now. */
void native_tell_written(int fd)
{
    char maps[64 * 1024];
    struct range found[MAX_RANGES];
    int n_found = 0, maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int64_t length = 0, got;
    while ((got = read(maps_fd, maps + length, sizeof maps - 1 - length)) > 0)
        length += got;
    maps[length] = 0;
    for (const char *line = maps; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        int64_t start = hexadecimal(&line), end = *line == '-' ? (line++, hexadecimal(&line)) : start;
        int is_stack = 0;
        for (const char *rest = line; *rest && *rest != '\n'; rest++)
            is_stack |= *rest == '[' && rest[1] == 's';
        if (strncmp(line, " rw-p", 5) == 0 && !is_stack)
            n_found = find_written(pagemap_fd, start, end, found, n_found);
    }
    if (write(fd, found, n_found * sizeof *found) < 0)
        _exit(1);
}
