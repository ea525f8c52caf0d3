/* Closed-loop load: N connections, each sends the request file, reads the whole answer, and sends it again.
 *
 * One thread, one epoll. An answer is right when its status is 200 and it carries exactly --expect stamps `@@<19 digits>@@`
 * (upstream.c writes them); anything else counts as bad. An event is on time when it took at most --on-time-ms.
 * Prints {"phase": "start"} when the measured window opens, and at its end one line of results.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STAMP_DIGITS 19
#define MAX_HEAD 16384
enum { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE };

typedef struct {
  int fd, state, status, keep, stamp_at, wants_write;
  long long left, stamps; /* body bytes to come; stamps seen in this answer */
  uint64_t stamp, started;
  size_t sent, line_len;
  char line[MAX_HEAD]; /* the head, or a chunk-size line, as far as it has come */
} Conn;

typedef struct {
  float *of;
  size_t len, size;
} Samples;

static int epoll_fd, port, measuring, connections = 1;
static long long expect = 1, on_time_ns = 100000000, on_time, done, bad, stamps_seen, bad_status, bad_count, bad_connection;
static int last_status, row_of_failures;
static Conn *conns;
static char *request;
static size_t request_len;
static Samples whole_us, relay_us, first_us;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sample(Samples *s, uint64_t ns) {
  if (s->len == s->size) {
    s->size = s->size ? s->size * 2 : 65536;
    if (!(s->of = realloc(s->of, s->size * sizeof *s->of))) exit(1);
  }
  s->of[s->len++] = (float)ns / 1000.0f;
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double quantile(const Samples *s, double q) { return s->len ? (double)s->of[(size_t)((double)(s->len - 1) * q)] : 0.0; }

static void watch(Conn *c, int write_too) {
  if (c->wants_write == write_too) return;
  struct epoll_event e = {.events = EPOLLIN | (write_too ? EPOLLOUT : 0u), .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
  c->wants_write = write_too;
}

static void open_conn(Conn *c) {
  int one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) {
    fprintf(stderr, "load: no socket: %s\n", strerror(errno));
    exit(1);
  }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->wants_write = 1;
  c->sent = c->line_len = 0;
  c->state = HEAD;
  c->stamps = c->stamp_at = c->status = 0;
  c->started = now_ns();
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
  if (connect(c->fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS) fprintf(stderr, "load: connect: %s\n", strerror(errno));
}

static void failed(Conn *c, long long *kind) {
  if (measuring) bad++, ++*kind;
  if (++row_of_failures > 2000 + connections) {
    fprintf(stderr, "load: %d failures in a row; last status %d\n", row_of_failures, last_status);
    exit(1);
  }
  close(c->fd);
  open_conn(c);
}

static void push(Conn *c) {
  while (c->sent < request_len) {
    ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS) return watch(c, 1);
      return failed(c, &bad_connection);
    }
    c->sent += (size_t)n;
  }
  watch(c, 0);
}

static void answered(Conn *c, uint64_t now) {
  if (c->status != 200 || c->stamps != expect) {
    last_status = c->status;
    return failed(c, c->status != 200 ? &bad_status : &bad_count);
  }
  row_of_failures = 0;
  if (measuring) done++, sample(&whole_us, now - c->started);
  int keep = c->keep;
  c->sent = c->line_len = 0;
  c->state = HEAD;
  c->stamps = c->stamp_at = 0;
  if (!keep) {
    close(c->fd);
    return open_conn(c);
  }
  c->started = now_ns();
  push(c);
}

/* Stamps may be cut anywhere between two reads or two HTTP chunks: the position inside one is kept on the connection. */
static void scan(Conn *c, const char *data, size_t len, uint64_t now) {
  const char *end = data + len;
  while (data < end) {
    if (!c->stamp_at && !(data = memchr(data, '@', (size_t)(end - data)))) return;
    int at = c->stamp_at, digit = at >= 2 && at < 2 + STAMP_DIGITS;
    char byte = *data++;
    if (digit ? byte < '0' || byte > '9' : byte != '@') {
      c->stamp_at = 0;
      continue;
    }
    c->stamp = digit ? c->stamp * 10 + (uint64_t)(byte - '0') : at < 2 ? 0 : c->stamp;
    if (++c->stamp_at < STAMP_DIGITS + 4) continue;
    c->stamp_at = 0;
    if (!c->stamps++ && measuring) sample(&first_us, now - c->started);
    if (!measuring) continue;
    uint64_t took = now > c->stamp ? now - c->stamp : 0;
    stamps_seen++;
    on_time += took <= (uint64_t)on_time_ns;
    sample(&relay_us, took);
  }
}

static void read_head(Conn *c) {
  c->line[c->line_len] = 0;
  c->status = c->line_len > 12 ? atoi(c->line + 9) : 0;
  char *length = strcasestr(c->line, "\ncontent-length:");
  c->keep = !strcasestr(c->line, "\nconnection: close");
  c->line_len = 0;
  if (strcasestr(c->line, "\ntransfer-encoding: chunked"))
    c->state = CHUNK_SIZE;
  else if (length)
    c->left = atoll(length + 16), c->state = LENGTH;
  else
    c->keep = 0, c->state = UNTIL_CLOSE;
}

/* Takes bytes up to and with the ending into the line buffer; 1: the ending was there; -1: the line is too long. */
static int take_line(Conn *c, const char **data, const char *end, const char *ending, size_t ending_len) {
  while (*data < end) {
    if (c->line_len == MAX_HEAD - 1) return -1;
    c->line[c->line_len++] = *(*data)++;
    if (c->line_len >= ending_len && !memcmp(c->line + c->line_len - ending_len, ending, ending_len)) return 1;
  }
  return 0;
}

/* 1: the answer is complete; 0: more to come; -1: no HTTP. */
static int read_answer(Conn *c, const char *data, const char *end, uint64_t now) {
  while (data < end || (c->state == LENGTH && !c->left)) {
    int line = 0;
    if (c->state == HEAD) {
      if ((line = take_line(c, &data, end, "\r\n\r\n", 4)) == 1) read_head(c);
    } else if (c->state == CHUNK_SIZE || c->state == CHUNK_END || c->state == TRAILER) {
      if ((line = take_line(c, &data, end, "\r\n", 2)) == 1) {
        c->line[c->line_len] = 0;
        if (c->state == TRAILER && c->line_len == 2) return 1;
        if (c->state == CHUNK_SIZE)
          c->left = strtoll(c->line, NULL, 16), c->state = c->left ? CHUNK_DATA : TRAILER;
        else if (c->state == CHUNK_END)
          c->state = CHUNK_SIZE;
        c->line_len = 0;
      }
    } else {
      size_t n = (size_t)(end - data);
      if (c->state != UNTIL_CLOSE && (long long)n > c->left) n = (size_t)c->left;
      scan(c, data, n, now);
      data += n;
      c->left -= (long long)n;
      if (c->state == LENGTH && !c->left) return 1;
      if (c->state == CHUNK_DATA && !c->left) c->state = CHUNK_END;
    }
    if (line < 0) return -1;
  }
  return 0;
}

static void on_readable(Conn *c) {
  static char buffer[262144];
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return;
  uint64_t now = now_ns();
  if (n <= 0) {
    if (!n && c->state == UNTIL_CLOSE) return answered(c, now);
    return failed(c, &bad_connection);
  }
  int end = read_answer(c, buffer, buffer + n, now);
  if (end < 0) return failed(c, &bad_connection);
  if (end) answered(c, now);
}

static void turn(int wait_ms) {
  static struct epoll_event events[512];
  int n = epoll_wait(epoll_fd, events, 512, wait_ms);
  for (int i = 0; i < n; i++) {
    Conn *c = events[i].data.ptr;
    int fd = c->fd;
    if (events[i].events & EPOLLOUT) push(c);
    if (c->fd == fd && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
  }
}

static void read_request(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
    exit(2);
  }
  fseek(f, 0, SEEK_END);
  request_len = (size_t)ftell(f);
  rewind(f);
  request = malloc(request_len);
  if (!request || fread(request, 1, request_len, f) != request_len) exit(2);
  fclose(f);
}

static void report(double seconds) {
  qsort(whole_us.of, whole_us.len, sizeof(float), by_size);
  qsort(relay_us.of, relay_us.len, sizeof(float), by_size);
  qsort(first_us.of, first_us.len, sizeof(float), by_size);
  long long open = 0;
  for (int i = 0; i < connections; i++) open += conns[i].status == 200;
  printf("{\"seconds\": %.4f, \"done\": %lld, \"rps\": %.2f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"events\": %lld, \"eps\": %.2f, "
         "\"relay_p50_us\": %.1f, \"relay_p99_us\": %.1f, \"ttft_p50_us\": %.1f, \"ttft_p99_us\": %.1f, \"on_time\": %lld, \"answering\": %lld, "
         "\"bad\": %lld, \"bad_status\": %lld, \"bad_count\": %lld, \"bad_connection\": %lld, \"last_bad_status\": %d}\n",
         seconds, done, (double)done / seconds, quantile(&whole_us, 0.5), quantile(&whole_us, 0.99), stamps_seen, (double)stamps_seen / seconds,
         quantile(&relay_us, 0.5), quantile(&relay_us, 0.99), quantile(&first_us, 0.5), quantile(&first_us, 0.99), on_time, open, bad, bad_status, bad_count,
         bad_connection, last_status);
  fflush(stdout);
}

int main(int argc, char **argv) {
  double seconds = 2, warmup = 0.3, ramp = 0;
  const char *path = NULL;
  static const struct option OPTIONS[] = {{"port", 1, 0, 'p'},    {"request", 1, 0, 'r'}, {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'},
                                          {"warmup", 1, 0, 'w'}, {"ramp", 1, 0, 'm'},    {"expect", 1, 0, 'e'},      {"on-time-ms", 1, 0, 't'}, {0, 0, 0, 0}};
  for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
    if (o == 'p') port = atoi(optarg);
    else if (o == 'r') path = optarg;
    else if (o == 'c') connections = atoi(optarg);
    else if (o == 's') seconds = atof(optarg);
    else if (o == 'w') warmup = atof(optarg);
    else if (o == 'm') ramp = atof(optarg);
    else if (o == 'e') expect = atoll(optarg);
    else if (o == 't') on_time_ns = atoll(optarg) * 1000000;
    else return 2;
  }
  if (!path || !port || connections < 1) {
    fprintf(stderr, "usage: load --port P --request FILE [--connections N] [--seconds S] [--warmup S] [--ramp S] [--expect STAMPS] [--on-time-ms MS]\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  read_request(path);
  epoll_fd = epoll_create1(0);
  if (!(conns = calloc((size_t)connections, sizeof *conns))) return 1;
  uint64_t begin = now_ns(), opens = begin + (uint64_t)((ramp + warmup) * 1e9), ends = opens + (uint64_t)(seconds * 1e9), at, opened_at = opens;
  int opened = 0;
  while ((at = now_ns()) < ends || !measuring) {
    int due = ramp > 0 ? (int)((double)(at - begin) / (ramp * 1e9) * connections) + 1 : connections;
    while (opened < connections && opened < due) open_conn(&conns[opened++]);
    if (!measuring && at >= opens) {
      measuring = 1;
      opened_at = at;
      ends = at + (uint64_t)(seconds * 1e9);
      puts("{\"phase\": \"start\"}");
      fflush(stdout);
    }
    turn(opened < connections ? 1 : 10);
  }
  report((double)(now_ns() - opened_at) / 1e9);
  return 0;
}
