// The part of jasmine that the suite's runner uses; its published types claim the same global names
// as jest's.
declare module 'jasmine' {
  interface SpecDone {
    fullName: string;
    status: string;
    failedExpectations: { message: string }[];
  }

  export default class Jasmine {
    constructor(options: object);
    exitOnCompletion: boolean;
    randomizeTests(random: boolean): void;
    clearReporters(): void;
    addReporter(reporter: { specDone(result: SpecDone): void }): void;
    execute(): Promise<unknown>;
  }
}
