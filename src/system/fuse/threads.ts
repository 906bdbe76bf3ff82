import koffi from 'koffi';

const UV_ASYNC = 1;

const node = koffi.load(null);
const uvHandleSize = node.func('size_t uv_handle_size(int type)');
const uvHandleType = node.func('int uv_handle_get_type(void *handle)');
const uvClose = node.func('void uv_close(void *handle, void *callback)');
const napiDeleteReference = node.func('int napi_delete_reference(void *environment, void *reference)');

/** The memory that fuse-native keeps for one thread (`fuse_thread_locals_t`): its last member is a `uv_async_t`. */
interface ThreadMemory {
  readonly memory: Buffer;
  /** Its first member, a `napi_ref`, from when fuse-native has set it. */
  reference: bigint;
}

/**
 * The memory of the threads of libfuse. libfuse starts a thread whenever all are busy and ends those beyond ten that are
 * idle. For each one fuse-native adds a handle to the event loop, for good; and the event loop looks at every one of them
 * for every request. After a few minutes of forty programs walking the tree at once a read was measured to take 1.3 ms
 * instead of 0.07. Here the handles of threads that ended (see loadMarkingThreads) are closed and their memory is used again.
 */
export class FuseThreads {
  readonly #handleBytes = Number(uvHandleSize(UV_ASYNC));
  readonly #used = new Set<ThreadMemory>();
  #free: Buffer[] = [];

  /** How many threads there are, as far as is known. */
  get size(): number {
    return this.#used.size;
  }

  /**
   * What fuse-native calls for a new thread.
   * @param environment the address of the N-API environment
   */
  allocate(bytes: number, environment: bigint): Buffer {
    this.#reclaim(environment);
    const index = this.#free.findIndex((memory) => memory.length === bytes);
    const memory = this.#free.splice(index, index < 0 ? 0 : 1)[0]?.fill(0) ?? Buffer.alloc(bytes);
    const thread: ThreadMemory = { memory, reference: 0n };
    // Fuse-native fills the memory when this returns. The thread can't end before its first request is answered.
    setImmediate(() => {
      thread.reference = memory.readBigUInt64LE(0);
    });
    this.#used.add(thread);
    return memory;
  }

  #reclaim(environment: bigint): void {
    for (const thread of this.#used) {
      const handle = thread.memory.subarray(-this.#handleBytes);
      if (thread.reference === 0n || thread.memory.readBigUInt64LE(0) === thread.reference) continue;
      this.#used.delete(thread);
      // Not what was expected there: leave it alone.
      if (uvHandleType(handle) !== UV_ASYNC) continue;
      uvClose(handle, null);
      napiDeleteReference(environment, thread.reference);
      // libuv lets go of a closed handle at the end of the turn of the loop.
      setImmediate(() => setImmediate(() => this.#free.push(thread.memory)));
    }
  }
}
