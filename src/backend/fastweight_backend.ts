import {
  type BackendValues,
  backend_util,
  type DataId,
  type DataType,
  engine,
  KernelBackend,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import type { DeviceAddon } from '../native/device_addon';
import { expected } from '../native/errors';
import type { Handle } from '../native/tensor_storage_addon';
import {
  arrayOver,
  asNativeArray,
  bytesPerElement,
  hostArray,
  type TensorData,
} from './tensor_data';

/** What `tf.memory()` adds for this backend. */
export interface NativeMemory {
  unreliable: false;
  /** Tensors alive in native memory. */
  nativeTensors: number;
  /** Their bytes, with what rides along, such as the tape of a forward pass. */
  nativeBytes: number;
}

/** The tfjs backend whose tensors live in native memory; strings alone stay on the host. */
export class FastWeightBackend extends KernelBackend {
  private readonly tensors = new Map<DataId, TensorData>();
  private disposed = false;

  constructor(
    readonly addon: DeviceAddon,
    /** Whether the host reaches the device's memory by transfers alone. */
    readonly isRemote = false,
  ) {
    super();
  }

  // Storage, as the tfjs engine calls it.

  override write(values: BackendValues, shape: number[], dtype: DataType): DataId {
    const dataId = {};
    this.store(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: DataId,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    this.store(dataId, values, shape, dtype, refCount);
  }

  override async read(dataId: DataId): Promise<BackendValues> {
    const data = this.dataOf(dataId);
    if (data.handle === 0) return this.readSync(dataId);
    const bytes = data.size * bytesPerElement(data.dtype);
    return arrayOver(data.dtype, await this.addon.readLater(data.handle, bytes));
  }

  override readSync(dataId: DataId): BackendValues {
    const data = this.dataOf(dataId);
    if (data.strings !== null) return data.strings;
    if (data.parts !== null) {
      return backend_util.mergeRealAndImagArrays(
        this.readSync(data.parts.real.dataId) as Float32Array,
        this.readSync(data.parts.imag.dataId) as Float32Array,
      );
    }
    const values = hostArray(data.dtype, data.size);
    this.addon.read(data.handle, values);
    return values;
  }

  override numDataIds(): number {
    return this.tensors.size;
  }

  override refCount(dataId: DataId): number {
    return this.tensors.get(dataId)?.refCount ?? 0;
  }

  override incRef(dataId: DataId): void {
    this.dataOf(dataId).refCount++;
  }

  decRef(dataId: DataId): void {
    const data = this.tensors.get(dataId);
    if (data !== undefined) data.refCount--;
  }

  /** Drops one reference, or with `force` all; whether the memory was given back. */
  override disposeData(dataId: DataId, force = false): boolean {
    const data = this.tensors.get(dataId);
    if (data === undefined) return true;
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    this.tensors.delete(dataId);
    if (data.handle !== 0) this.addon.free(data.handle);
    if (data.parts !== null) {
      this.disposeData(data.parts.real.dataId);
      this.disposeData(data.parts.imag.dataId);
    }
    return true;
  }

  override memory(): NativeMemory {
    const { tensors, bytes } = this.addon.memory();
    return { unreliable: false, nativeTensors: tensors, nativeBytes: bytes };
  }

  /** What the device took, by its own clock, for all that `f` queued. */
  override async time(f: () => void): Promise<{ kernelMs: number }> {
    const start = this.addon.mark();
    f();
    return { kernelMs: this.addon.millisecondsBetween(start, this.addon.mark()) };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  /** Gives back all native memory of this backend's tensors, which are disposed from then on. */
  override dispose(): void {
    for (const data of this.tensors.values()) {
      if (data.handle !== 0) this.addon.free(data.handle);
    }
    this.tensors.clear();
    this.disposed = true;
  }

  // What kernels use.

  /** The native memory of a numeric tensor. Throws ERR_DISPOSED, ERR_DTYPE. */
  handleOf(tensor: TensorInfo): Handle {
    const data = this.tensors.get(tensor.dataId) ?? this.dataOf(tensor.dataId);
    if (data.handle === 0) {
      throw expected('ERR_DTYPE', 'a numeric tensor', 'a native kernel', `dtype ${data.dtype}`);
    }
    return data.handle;
  }

  /** Bytes of a tensor's memory, which others may share. */
  bytesOf(tensor: TensorInfo): number {
    const { handle, dtype, size } = this.dataOf(tensor.dataId);
    const isHalved = handle !== 0 && this.addon.isBfloat16(handle);
    return isHalved ? 2 * size : size * bytesPerElement(dtype);
  }

  /** A new tensor around native memory that a kernel allocated; the tensor owns the handle. */
  adopt(handle: Handle, shape: number[], dtype: DataType): TensorInfo {
    const size = util.sizeFromShape(shape);
    return this.add({ handle, dtype, size, refCount: 1, strings: null, parts: null }, shape);
  }

  /** A new tensor whose values are not set yet. */
  allocate(shape: number[], dtype: DataType): TensorInfo {
    const bytes = util.sizeFromShape(shape) * bytesPerElement(dtype);
    return this.adopt(this.addon.allocate(bytes), shape, dtype);
  }

  /** A new float32 tensor, stored as bfloat16, whose values are not set yet. */
  allocateBfloat16(shape: number[]): TensorInfo {
    const handle = this.addon.allocateBfloat16(util.sizeFromShape(shape));
    return this.adopt(handle, shape, 'float32');
  }

  /** A new tensor that holds `values`. */
  makeTensorInfo(shape: number[], dtype: DataType, values: BackendValues): TensorInfo {
    return { dataId: this.write(values, shape, dtype), shape, dtype };
  }

  /** A complex64 tensor of two float32 tensors, which it owns from then on. */
  makeComplex(real: TensorInfo, imag: TensorInfo): TensorInfo {
    const size = util.sizeFromShape(real.shape);
    const parts = { real, imag };
    return this.add(
      { handle: 0, dtype: 'complex64', size, refCount: 1, strings: null, parts },
      real.shape,
    );
  }

  /** The float32 parts of a complex64 tensor, which goes on owning them. */
  partsOf(tensor: TensorInfo): { real: TensorInfo; imag: TensorInfo } {
    const { parts, dtype } = this.dataOf(tensor.dataId);
    if (parts === null) throw expected('ERR_DTYPE', 'complex64', 'input', `dtype ${dtype}`);
    return parts;
  }

  /** A tensor of another shape that shares the values of `tensor`. */
  alias(tensor: TensorInfo, shape: number[] = tensor.shape): TensorInfo {
    this.incRef(tensor.dataId);
    return { dataId: tensor.dataId, shape, dtype: tensor.dtype };
  }

  /** A tensor of the same values in memory of its own. */
  copy(tensor: TensorInfo): TensorInfo {
    const source = this.handleOf(tensor);
    const result = this.allocate(tensor.shape, tensor.dtype);
    const { layout } = this.addon;
    layout[0] = util.sizeFromShape(tensor.shape);
    layout[1] = 1;
    layout[2] = 1;
    this.addon.copyStrided(bytesPerElement(tensor.dtype), source, 0, this.handleOf(result), 0, 1);
    return result;
  }

  /** Drops a tensor that a kernel made for its own use. */
  disposeIntermediate(tensor: TensorInfo): void {
    this.disposeData(tensor.dataId);
  }

  private add(data: TensorData, shape: number[]): TensorInfo {
    const dataId = {};
    this.tensors.set(dataId, data);
    return { dataId, shape, dtype: data.dtype };
  }

  private store(
    dataId: DataId,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const size = values.length;
    if (dtype === 'string') {
      const strings = values as Uint8Array[];
      this.tensors.set(dataId, { handle: 0, dtype, size, refCount, strings, parts: null });
    } else if (dtype === 'complex64') {
      const { real, imag } = backend_util.splitRealAndImagArrays(values as Float32Array);
      const parts = {
        real: this.makeTensorInfo(shape, 'float32', real),
        imag: this.makeTensorInfo(shape, 'float32', imag),
      };
      this.tensors.set(dataId, { handle: 0, dtype, size, refCount, strings: null, parts });
    } else {
      const array = asNativeArray(values as ArrayLike<number>, dtype);
      const handle = this.addon.allocate(array.byteLength);
      this.addon.write(handle, array);
      this.tensors.set(dataId, { handle, dtype, size, refCount, strings: null, parts: null });
    }
  }

  /** The record of a data id; fetches it first where another backend has it. */
  private dataOf(dataId: DataId): TensorData {
    const data = this.tensors.get(dataId);
    if (data !== undefined) return data;
    const info = engine().state.tensorInfo.get(dataId);
    if (info === undefined || info.backend === this || this.disposed) throw disposedTensor();
    engine().moveData(this, dataId);
    const moved = this.tensors.get(dataId);
    if (moved === undefined) throw disposedTensor();
    return moved;
  }
}

function disposedTensor() {
  return expected('ERR_DISPOSED', 'a live tensor', 'input', 'one that has been disposed');
}
