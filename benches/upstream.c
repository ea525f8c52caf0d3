/* A fake of the OpenAI API that costs next to nothing, so that what is measured is the proxy before it.
 *
 * One thread, one epoll. Keep-alive; request bodies by content-length or chunked. Every whole answer and every content chunk of
 * a stream carries `@@<19 digits>@@`: CLOCK_MONOTONIC in ns when it was written, which load.c turns into relay latency on the same machine.
 * Knobs, at run time: GET /ctl?delay_ms=&chunks=&chunk_delay_ms=&chunked=  -> {"cur": open connections, ...}
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

#define MAX_REQUEST (8 << 20)
#define TAIL 3 /* after the content chunks: finish, usage, [DONE] */

typedef struct {
  int fd, generation, stream, part, close_after, busy, wants_write;
  char *in; /* what has arrived and is not answered yet */
  size_t in_len, in_size;
  char *out; /* what the socket would not take yet */
  size_t out_len, out_size;
  uint64_t due; /* when the pending answer, or the stream's next part, is sent */
} Conn;

typedef struct {
  uint64_t due;
  int fd, generation;
} Timer;

static int epoll_fd, listen_fd, current, generations;
static long long requests, delay_ns, chunk_delay_ns, chunks = 50, chunked;
static Conn **conns;
static int conns_size;
static Timer *heap;
static int heap_len, heap_size;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *grown(void *memory, size_t bytes) {
  void *more = realloc(memory, bytes);
  if (!more) {
    fprintf(stderr, "upstream: out of memory\n");
    exit(1);
  }
  return more;
}

static void timer_add(Conn *c) {
  if (heap_len == heap_size) heap = grown(heap, (size_t)(heap_size = heap_size ? heap_size * 2 : 1024) * sizeof *heap);
  int i = heap_len++;
  while (i && heap[(i - 1) / 2].due > c->due) heap[i] = heap[(i - 1) / 2], i = (i - 1) / 2;
  heap[i] = (Timer){c->due, c->fd, c->generation};
}

static Timer timer_pop(void) {
  Timer top = heap[0], last = heap[--heap_len];
  int i = 0;
  for (int child; (child = 2 * i + 1) < heap_len; i = child) {
    if (child + 1 < heap_len && heap[child + 1].due < heap[child].due) child++;
    if (heap[child].due >= last.due) break;
    heap[i] = heap[child];
  }
  heap[i] = last;
  return top;
}

static void conn_close(Conn *c) {
  conns[c->fd] = NULL;
  close(c->fd);
  free(c->in);
  free(c->out);
  free(c);
  current--;
}

static void watch(Conn *c, int write_too) {
  if (c->wants_write == write_too) return;
  struct epoll_event e = {.events = EPOLLIN | (write_too ? EPOLLOUT : 0u), .data.fd = c->fd};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
  c->wants_write = write_too;
}

/* 0: the connection is gone. */
static int conn_write(Conn *c, const char *data, size_t len) {
  ssize_t sent = 0;
  if (!c->out_len) {
    sent = send(c->fd, data, len, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return conn_close(c), 0;
      sent = 0;
    }
    if ((size_t)sent == len) return 1;
  }
  size_t rest = len - (size_t)sent;
  if (c->out_len + rest > c->out_size) c->out = grown(c->out, c->out_size = (c->out_len + rest) * 2);
  memcpy(c->out + c->out_len, data + sent, rest);
  c->out_len += rest;
  watch(c, 1);
  return 1;
}

static const char FILLER[] =
    "The quick brown fox jumps over the lazy dog while the band plays on and nobody in the house minds the noise at all. "
    "A second sentence follows the first one, as sentences do, and says as little as it can in as many words as it needs. "
    "Then a third, since an answer of a model is seldom short: it explains, it repeats, it lists, it concludes, it offers help. "
    "And so the paragraph goes on until its budget of tokens is spent, which is what everybody expected it to do from the start. "
    "Now and then a sentence is longer than it has to be, and this is the one that makes the answer nine hundred bytes.";

static int send_whole(Conn *c) {
  char body[2048], answer[4096];
  int n = snprintf(body, sizeof body,
                   "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\",\"system_fingerprint\":\"fp_bench\","
                   "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"@@%019llu@@ %s\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                   "\"usage\":{\"prompt_tokens\":210,\"completion_tokens\":120,\"total_tokens\":330}}",
                   (unsigned long long)now_ns(), FILLER);
  int m = chunked ? snprintf(answer, sizeof answer,
                             "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, body)
                  : snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", n, body);
  return conn_write(c, answer, (size_t)m);
}

/* The stream's next part as one write; the first brings the head along, the last ends the chunked body. 0: the connection is gone. */
static int send_part(Conn *c) {
  static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
  static const char FIELDS[] = "\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\"";
  char event[1024], wire[2048];
  int n, after = c->part - (int)chunks;
  if (after < 0)
    n = snprintf(event, sizeof event,
                 "data: {%s,\"system_fingerprint\":\"fp_bench\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"@@%019llu@@ %.128s\"},\"logprobs\":null,"
                 "\"finish_reason\":null}]}\n\n",
                 FIELDS, c->part ? "" : "\"role\":\"assistant\",", (unsigned long long)now_ns(), FILLER);
  else if (after == 0)
    n = snprintf(event, sizeof event, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n", FIELDS);
  else if (after == 1)
    n = snprintf(event, sizeof event,
                 "data: {%s,\"choices\":[],\"usage\":{\"prompt_tokens\":210,\"completion_tokens\":%lld,\"total_tokens\":%lld}}\n\n", FIELDS, chunks,
                 chunks + 210);
  else
    n = snprintf(event, sizeof event, "data: [DONE]\n\n");
  int m = snprintf(wire, sizeof wire, "%s%x\r\n%s\r\n%s", c->part ? "" : HEAD, n, event, after == TAIL - 1 ? "0\r\n\r\n" : "");
  c->part++;
  return conn_write(c, wire, (size_t)m);
}

static long long knob(const char *query, const char *name, long long otherwise) {
  char key[32];
  snprintf(key, sizeof key, "%s=", name);
  const char *at = strstr(query, key);
  return at && (at[-1] == '?' || at[-1] == '&') ? atoll(at + strlen(key)) : otherwise;
}

static int answer_get(Conn *c, const char *path) {
  char body[512], answer[1024];
  if (!strncmp(path, "/ctl", 4)) {
    delay_ns = knob(path, "delay_ms", delay_ns / 1000000) * 1000000;
    chunk_delay_ns = knob(path, "chunk_delay_ms", chunk_delay_ns / 1000000) * 1000000;
    chunks = knob(path, "chunks", chunks);
    chunked = knob(path, "chunked", chunked);
    snprintf(body, sizeof body, "{\"cur\": %d, \"requests\": %lld, \"delay_ms\": %lld, \"chunks\": %lld, \"chunk_delay_ms\": %lld, \"chunked\": %lld}",
             current - 1, requests, delay_ns / 1000000, chunks, chunk_delay_ns / 1000000, chunked);
  } else if (strstr(path, "/models"))
    snprintf(body, sizeof body, "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"bench\"}]}");
  else
    snprintf(body, sizeof body, "{\"status\":\"ok\",\"model_path\":\"bench\",\"served_model_name\":\"bench\"}");
  int n = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
  return conn_write(c, answer, (size_t)n);
}

/* Where a chunked body that starts at `at` ends; 0: not yet. */
static size_t chunked_end(const char *in, size_t len, size_t at) {
  for (;;) {
    const char *line = memmem(in + at, len - at, "\r\n", 2);
    if (!line) return 0;
    size_t size = strtoul(in + at, NULL, 16);
    at = (size_t)(line - in) + 2 + size + 2;
    if (at > len) return 0;
    if (!size) return at;
  }
}

/* Answers the request at the start of the buffer when it is whole. 0: the connection is gone. */
static int serve(Conn *c) {
  while (!c->busy) {
    char *end = c->in_len ? memmem(c->in, c->in_len, "\r\n\r\n", 4) : NULL;
    if (!end) return 1;
    size_t head = (size_t)(end - c->in) + 4, whole = head;
    end[2] = 0; /* the head as a string; its empty line is not needed any more */
    char *length = strcasestr(c->in, "\ncontent-length:"), *coding = strcasestr(c->in, "\ntransfer-encoding: chunked");
    c->close_after = strcasestr(c->in, "\nconnection: close") != NULL;
    if (coding)
      whole = chunked_end(c->in, c->in_len, head);
    else if (length)
      whole = head + strtoul(length + 16, NULL, 10);
    end[2] = '\r';
    if (!whole || whole > c->in_len) return 1;
    int get = !strncmp(c->in, "GET ", 4) || !strncmp(c->in, "HEAD ", 5);
    if (get) {
      char path[256] = "";
      sscanf(c->in, "%*s %255s", path);
      if (!answer_get(c, path)) return 0;
    } else {
      requests++;
      c->stream = memmem(c->in + head, whole - head, "\"stream\":true", 13) || memmem(c->in + head, whole - head, "\"stream\": true", 14);
      c->part = 0;
      c->busy = 1;
      c->due = now_ns() + (uint64_t)delay_ns;
    }
    memmove(c->in, c->in + whole, c->in_len -= whole);
    if (get && c->close_after) return conn_close(c), 0;
    if (!get && (c->stream || delay_ns)) return timer_add(c), 1;
    if (!get) {
      c->busy = 0;
      if (!send_whole(c)) return 0;
      if (c->close_after && !c->out_len) return conn_close(c), 0;
    }
  }
  return 1;
}

static void on_due(Conn *c) {
  int more = 0;
  if (c->stream) {
    if (c->out_len) { /* the reader is slow: hold the stream until the socket drains */
      c->due = now_ns() + 1000000;
      timer_add(c);
      return;
    }
    if (!send_part(c)) return;
    more = c->part < chunks + TAIL;
  } else if (!send_whole(c))
    return;
  if (more) {
    c->due += (uint64_t)chunk_delay_ns; /* absolute: a late part does not delay the ones after it */
    timer_add(c);
    return;
  }
  c->busy = 0;
  if (c->close_after && !c->out_len)
    conn_close(c);
  else
    serve(c);
}

static void on_readable(Conn *c) {
  for (;;) {
    if (c->in_size - c->in_len < 16384) c->in = grown(c->in, (c->in_size += 65536) + 1);
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return conn_close(c);
    int full = (size_t)n == c->in_size - c->in_len;
    c->in_len += (size_t)n;
    if (c->in_len > MAX_REQUEST) return conn_close(c);
    if (!serve(c) || !full) return;
  }
}

static void on_writable(Conn *c) {
  ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN) conn_close(c);
    return;
  }
  memmove(c->out, c->out + n, c->out_len -= (size_t)n);
  if (c->out_len) return;
  watch(c, 0);
  if (c->close_after && !c->busy) conn_close(c);
}

static void accept_all(void) {
  int fd, one = 1;
  while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    if (fd >= conns_size) {
      int size = fd * 2 + 64;
      conns = grown(conns, (size_t)size * sizeof *conns);
      memset(conns + conns_size, 0, (size_t)(size - conns_size) * sizeof *conns);
      conns_size = size;
    }
    Conn *c = calloc(1, sizeof *c);
    if (!c) exit(1);
    c->fd = fd;
    c->generation = ++generations;
    conns[fd] = c;
    current++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
  }
}

static void open_port(int port) {
  int one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listen_fd, (struct sockaddr *)&a, sizeof a) || listen(listen_fd, 8192)) {
    fprintf(stderr, "upstream: port %d: %s\n", port, strerror(errno));
    exit(1);
  }
  epoll_fd = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = listen_fd};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &e);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: upstream PORT\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  open_port(atoi(argv[1]));
  struct epoll_event events[512];
  for (;;) {
    int wait_ms = -1;
    if (heap_len) {
      uint64_t now = now_ns();
      wait_ms = heap[0].due <= now ? 0 : (int)((heap[0].due - now + 999999) / 1000000);
    }
    int n = epoll_wait(epoll_fd, events, 512, wait_ms);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listen_fd) {
        accept_all();
        continue;
      }
      Conn *c = conns[fd];
      if (c && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
      if ((c = conns[fd]) && events[i].events & EPOLLOUT && c->out_len) on_writable(c);
    }
    uint64_t now = now_ns(); /* what becomes due in this turn waits for the next: streams take turns */
    for (int turn = heap_len; turn && heap_len && heap[0].due <= now; turn--) {
      Timer t = timer_pop();
      Conn *c = conns[t.fd];
      if (c && c->generation == t.generation) on_due(c);
    }
  }
}
