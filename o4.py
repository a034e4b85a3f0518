import sys,random,os,pathlib,h5py,re
sys.path[:0]=['/tmp/w/doubtt']
import gen
a,b=int(sys.argv[1]),int(sys.argv[2]); d=pathlib.Path(f"/tmp/w/doubtt/o4-{a}"); d.mkdir(exist_ok=True)
for s in range(a,b):
    r=random.Random(s); n,j,t=gen.training(r)
    mb=j["parallel.microbatches"]
    if mb%2: continue
    for k in("events","noise","slow"): j.pop(k,None)
    (d/'t.yaml').write_text(gen.topo_text(n,t["fabric.wiring"],t["fabric.routing"],r.choice([1,2])))
    (d/'j.yaml').write_text(gen.HEAD+gen.nest(j)+f"steps: 1\n")
    p=gen.run([str(d/"t.yaml"),str(d/"j.yaml"),"--output",str(d/"o.h5"),"--quiet","--set","trace.explain=on"],1)
    if p.returncode: continue
    with h5py.File(d/"o.h5") as f:
        step=int(f["steps/duration_ps"][0]); w=int(dict(zip(f["gains/change"].asstr()[:],f["gains/step_ps"][0]))["microbatches twice as large"]); bub=f["steps/bubble_ps"][0]
        st=f["gpus/pp"][:]; c=f["gpus/compute_ps"][0]; ok=st>=0
        uneven=max(c[st==q].mean() for q in set(st[ok]))-c[ok].mean()
        unev=max(0,bub-uneven)
    q=gen.run([str(d/"t.yaml"),str(d/"j.yaml"),"--output",str(d/"p.h5"),"--quiet","--set","parallel.microbatch=2","--set",f"parallel.microbatches={mb//2}"],1)
    if q.returncode: print(s,"no",q.stderr.split("\n")[0],w); continue
    with h5py.File(d/"p.h5") as f: st=int(f["steps/duration_ps"][0])
    print(s,f"pp{j['parallel.pp']} {j['parallel.schedule']} mb{mb} zero{j['parallel.zero']} epo {j.get('training.ep_overlap')} said {(step-w)/step:.3f} less bubble {(step-w-unev)/step:.3f} seen {(step-st)/step:.3f}",{k.split('.')[1]:v for k,v in j.items() if "overlap" in k},flush=True)
