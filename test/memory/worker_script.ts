// Loads the backend on the main thread and in several workers at a time, and leaves everything to
// the exit: no tensor is disposed.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import '../../src/kernels/register';

function work(): number {
  void tf.setBackend('fastweight-cpu');
  const x = tf.fill([300, 300], 0.01);
  let y = x;
  for (let i = 0; i < 20; i++) y = tf.tanh(tf.matMul(x, y));
  return tf.memory().numTensors + tf.round(tf.sum(y)).dataSync()[0];
}

async function main(): Promise<void> {
  const fromWorkers = Array.from({ length: 4 }, () => {
    const worker = new Worker(__filename);
    return new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  });
  const all = [work(), ...(await Promise.all(fromWorkers))];
  process.stdout.write(JSON.stringify(all));
}

if (isMainThread) void main();
else parentPort?.postMessage(work());
