/** Names a tensor in native memory; never 0, never used again after `free`. */
export type Handle = number;

/** Bytes that cross the boundary as they lie in memory. */
export type NativeArray = Float32Array | Int32Array | Uint8Array;

/**
 * Storage functions of the addon (native/binding/tensors.cc). A float32 tensor may be stored as
 * bfloat16; all functions read it as float32, and one that changes it in place stores it as float32
 * from then on.
 */
export interface TensorStorageAddon {
  /** A new tensor of `bytes` bytes, not initialised. Throws ERR_OUT_OF_MEMORY, ERR_RANGE. */
  allocate(bytes: number): Handle;
  /** Gives a tensor's memory back. Throws ERR_DISPOSED for a handle that is not alive. */
  free(handle: Handle): void;
  /** Copies all of `values` to the start of the tensor. */
  write(handle: Handle, values: NativeArray): void;
  /** Fills `values` from the start of the tensor. */
  read(handle: Handle, values: NativeArray): void;
  /**
   * The first `bytes` bytes of the tensor as they are after what is queued now, without holding up
   * JavaScript where the device has a queue. Rejects with the first failure of what was queued.
   */
  readLater(handle: Handle, bytes: number): Promise<ArrayBuffer>;
  /** Whether the device stores float32 tensors as bfloat16 where it is asked to. */
  readonly storesBfloat16: boolean;
  /** A new float32 tensor of `count` values, stored as bfloat16 and not initialised. */
  allocateBfloat16(count: number): Handle;
  /** The first `count` values of x as a new tensor, rounded to bfloat16 and stored so. */
  storeBfloat16(x: Handle, count: number): Handle;
  /** Whether a tensor is stored as bfloat16. */
  isBfloat16(handle: Handle): boolean;
  /**
   * Tensors alive in this thread, the bytes of their memory with what rides along, and the most
   * bytes in use at a time, workspaces included, since the last `resetPeakBytes`.
   */
  memory(): { tensors: number; bytes: number; peakBytes: number };
  resetPeakBytes(): void;
}
